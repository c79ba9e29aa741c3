// What elements look like, where a page may forbid things, and the demo's other pages.
import assert from "node:assert/strict";
import { violations } from "./access.js";
import { button, own, SIGNED_IN } from "./own.js";
import { open, state } from "./page.js";
import { browser, demo, eventually, PATIENCE, rows, service, test, untouched } from "./stack.js";

test("a page with a strict policy, of content and of Trusted Types, has working elements", async () => {
  const article = untouched();
  const { page, said } = await own(
    `<reaction-button article=${article} theme=pill></reaction-button><reaction-counter article=${article} track></reaction-counter>`,
    {
      headers: {
        "Content-Security-Policy": `default-src 'none'; script-src 'self'; connect-src ${service()}; require-trusted-types-for 'script'; trusted-types 'none'`,
      },
    },
  );
  await button(page).click();
  await eventually(() => rows(article).length, 1);
  assert.equal(await button(page).evaluate((one) => getComputedStyle(one).cursor), "pointer");
  assert.deepEqual(said, []);
});

test("themes take the page's colour and font, and what is on has the page's accent", async () => {
  const article = untouched();
  const { page } = await own(
    `<div style="color: rgb(10, 20, 30); font: 20px serif; --reaction-accent: rgb(200, 0, 0)">
      ${["outline", "pill", "plain"].map((theme) => `<reaction-button article=${article} theme=${theme}></reaction-button>`).join("")}</div>`,
  );
  /** @param {number} index */
  const look = (index) =>
    button(page, index).evaluate((one) => {
      const { color, fontFamily, fontSize, backgroundColor } = getComputedStyle(one);
      return [color, fontFamily, fontSize, backgroundColor];
    });
  for (const index of [0, 1, 2]) assert.deepEqual(await look(index), ["rgb(10, 20, 30)", "serif", "20px", "rgba(0, 0, 0, 0)"]);
  await button(page).click();
  for (const index of [0, 1, 2]) await eventually(async () => (await look(index))[0], "rgb(200, 0, 0)");
});

test("a button that is disabled or to be read only is not clicked, and an icon may be the page's own", async () => {
  const article = untouched();
  const { page, requests } = await own(
    `<reaction-button article=${article} disabled></reaction-button><reaction-button article=${article} readonly></reaction-button>
     <reaction-button article=${article}><b slot=icon>!</b>Applaud</reaction-button>`,
    { script: SIGNED_IN },
  );
  await button(page, 2).click();
  await eventually(() => state(button(page, 1)), ["true", "1"]);
  for (const index of [0, 1]) await button(page, index).dispatchEvent("click");
  assert.deepEqual([await button(page, 0).isDisabled(), await button(page, 1).getAttribute("aria-disabled")], [true, "true"]);
  await eventually(() => rows(article).map(([, on]) => on), ["1"]);
  assert.deepEqual(requests.filter((request) => ["PUT", "DELETE"].includes(request.method())).length, 1);
  assert.match(await page.locator("body").ariaSnapshot(), /button "! Applaud 1" \[pressed\]/);
  assert.equal(await page.locator("reaction-button svg").nth(2).isVisible(), false);
});

/** @param {import("playwright-core").Page} page how far it can be scrolled sideways */
const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("what a button says moves nothing, and makes no page wider, at either end of a line of 320 px", async () => {
  for (const dir of ["ltr", "rtl"])
    for (const justify of ["flex-start", "flex-end"]) {
      const { page } = await own(
        `<p style="display:flex;justify-content:${justify}"><reaction-button article=${untouched()}></reaction-button></p><p id=below>Below</p>`,
        { user: null, head: `<meta name=viewport content="width=device-width">`, as: { viewport: { width: 320, height: 600 } },
          script: `document.documentElement.dir = "${dir}"; module.configure({ signIn: "/in", texts: { 401: "Sign in first, please, so that it is yours." } })` },
      );
      await page.waitForFunction((dir) => document.documentElement.dir == dir, dir);
      const places = async () => [await button(page).boundingBox(), await page.locator("#below").boundingBox()];
      const before = await places();
      await button(page).click();
      await page.getByText("Sign in first, please").waitFor();
      assert.deepEqual([await places(), await sideways(page)], [before, 0], `${dir} ${justify}`);
      const box = await page.getByRole("status").boundingBox();
      assert.ok(box && box.x >= 0 && box.x + box.width <= 320, JSON.stringify(box));
      await page.keyboard.press("Escape");
      await eventually(() => page.getByRole("status").textContent(), "");
    }
});

for (const name of ["./", "list.html", "gallery.html"])
  for (const [width, colorScheme] of /** @type {const} */ ([[320, "dark"], [1200, "light"]]))
    test(`the demo's page ${name} at ${width} px, ${colorScheme}: nothing sideways, nothing for axe, no script error`, async () => {
      const page = await (await browser.newContext({ viewport: { width, height: 800 }, colorScheme })).newPage();
      page.setDefaultTimeout(PATIENCE);
      page.on("pageerror", (error) => assert.fail(error));
      await page.goto(new URL(name, demo).href);
      await page.locator("reaction-button button:enabled").first().waitFor();
      assert.equal(await sideways(page), 0);
      assert.deepEqual(await violations(page), []);
    });

test("a card of the demo's list is a link, and its button is none", async () => {
  const { page } = await open();
  const from = `${(Date.now() % 1e9) * 1000}`;
  await page.goto(new URL(`list.html?user=7&from=${from}`, demo).href);
  await page.locator("reaction-button").first().getByRole("button").click();
  await eventually(() => rows(from), [["7", "1"]]);
  await page.locator(".card").first().click();
  await page.waitForURL(`**article=${from}**`);
});
