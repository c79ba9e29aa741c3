// What pages do to the module, and networks, and browsers: each of these has gone wrong once.
import assert from "node:assert/strict";
import { state } from "./page.js";
import { allow, button, HEAR, heard, own, said, SIGNED_IN } from "./own.js";
import { eventually, interactions, rows, service, test, untouched } from "./stack.js";

test("a click on a button that has just appeared, while the user becomes known, is theirs", async () => {
  const article = untouched();
  const { user } = await own(`<reaction-button article=${article}></reaction-button>`, {
    script: `${SIGNED_IN} document.querySelector("reaction-button").shadowRoot.querySelector("button").click();`,
  });
  await eventually(() => rows(article), [[user, "1"]]);
});

test("an expired token hides no counts and loses no view", async () => {
  const article = untouched();
  await own(`<reaction-button article=${article}></reaction-button>`).then(({ page }) => button(page).click());
  await eventually(() => rows(article).length, 1);
  const { page } = await own(
    `<reaction-counter article=${article} show=likes></reaction-counter><reaction-counter article=${article} track></reaction-counter>`,
    { script: 'module.configure({ token: () => token + "x" });' },
  );
  await page.locator("reaction-counter").first().getByText("1").waitFor();
  await eventually(async () => (await interactions(article)).pv, 1);
});

test("a page that is configured late has asked nobody else before", async () => {
  const article = untouched();
  const { page, requests } = await own(
    `<reaction-button article=${article}></reaction-button><reaction-counter article=${article} track></reaction-counter>`,
    { tag: "", script: "await new Promise((done) => (window.go = done)); module.configure({ base: window.base });" },
  );
  await button(page).waitFor();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
  assert.equal(requests.length, 0);
  await page.evaluate((base) => (Object.assign(window, { base }), /** @type {any} */ (window).go()), service());
  await eventually(async () => (await interactions(article)).pv, 1);
  assert.deepEqual(new Set(requests.map((request) => new URL(request.url()).origin)), new Set([service()]));
});

/** A browser without constructed style sheets, such as Safari before 16.4. @param {import("playwright-core").Page} page */
const withoutSheets = (page) =>
  page.addInitScript(() => {
    window.CSSStyleSheet = /** @type {any} */ (function () { throw new TypeError("Illegal constructor"); });
  });

test("a browser without constructed style sheets has the elements and their style", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article}></reaction-button>`, { before: withoutSheets });
  await button(page).click();
  await eventually(() => rows(article).length, 1);
  assert.equal(await button(page).evaluate((one) => getComputedStyle(one).cursor), "pointer");
});

test("where the page forbids the style of such a browser, an icon is small, in outline, and filled while it is on", async () => {
  const policy = `default-src 'none'; script-src 'self'; connect-src ${service()}`;
  const { page } = await own(`<reaction-button article=${untouched()}></reaction-button>`, {
    before: withoutSheets,
    headers: { "Content-Security-Policy": policy },
  });
  const look = () =>
    button(page).evaluate((one) => {
      const icon = /** @type {SVGElement} */ (one.querySelector("svg"));
      const styled = getComputedStyle(one).cursor == "pointer";
      return [styled, icon.getBoundingClientRect().width < 40, getComputedStyle(icon).fill == "none"];
    });
  await eventually(() => state(button(page)), ["false", "0"]);
  assert.deepEqual(await look(), [false, true, true]);
  await button(page).click();
  assert.deepEqual(await look(), [false, true, false]);
});

test("a click on a button in a link does not follow the link", async () => {
  const article = untouched();
  const { page } = await own(`<a href="/src/index.js"><reaction-button article=${article}></reaction-button></a>`);
  await button(page).click();
  await button(page).press("Enter");
  await button(page).press("Space");
  await eventually(() => rows(article).map(([, on]) => on), ["1"]);
  assert.match(page.url(), /\/own\/$/);
});

test('track="false" and disabled="false", as React 18 writes them, are off', async () => {
  const article = untouched();
  const { page, requests } = await own(
    `<reaction-counter article=${article} track="false"></reaction-counter>
     <reaction-button article=${article} disabled="false" readonly="false"></reaction-button>`,
  );
  await button(page).click();
  await eventually(() => rows(article).length, 1);
  assert.deepEqual(requests.filter((request) => request.url().endsWith("/views")), []);
});

test("properties do what attributes do, also those set before the element was defined", async () => {
  const [early, late] = [untouched(), untouched()];
  const before = `<script>Object.assign(document.querySelector("reaction-button"), { article: "${early}", kind: "collect" });</script>`;
  const { page } = await own(`<reaction-button></reaction-button><reaction-button></reaction-button>${before}`, {
    tag: 'data-base="" data-prefix="other"',
    script: `module.configure({ base: "${service()}", token: () => token }); module.define();
      const second = document.querySelectorAll("reaction-button")[1];
      second.article = "${late}"; second.disabled = true; second.disabled = false;`,
  });
  for (const index of [0, 1]) await button(page, index).click();
  await eventually(() => [rows(early, "collect").length, rows(late).length], [1, 1]);
  assert.equal(await page.locator("reaction-button").first().getAttribute("kind"), "collect");
});

test("a failure without a text is a failure", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article}></reaction-button>`, {
    user: null,
    script: `module.configure({ texts: { 401: "" } });${HEAR}`,
  });
  await button(page).click();
  await eventually(() => heard(page), [["interaction-error", article, "like", null, null, 401]]);
  assert.equal(await said(page), "");
});

test("a button that has lost its article likes nothing", async () => {
  const article = untouched();
  const { page, requests } = await own(`<reaction-button article=${article}></reaction-button>`);
  await eventually(() => state(button(page)), ["false", "0"]);
  await page.evaluate(() => document.querySelector("reaction-button")?.removeAttribute("article"));
  assert.equal(await button(page).isDisabled(), true);
  await button(page).dispatchEvent("click");
  assert.deepEqual(requests.filter((request) => request.method() == "PUT"), []);
});

test("a callback of the page that throws blanks nothing", async () => {
  const article = untouched();
  const { page } = await own("", {
    script: `window.thrown = 0; addEventListener("error", (event) => { window.thrown++; event.preventDefault(); });
      module.watch("${article}", () => { throw new Error("the page's own"); });
      document.body.innerHTML = '<reaction-counter article="${article}"></reaction-counter>';`,
    before: async (page) => page.removeAllListeners("pageerror"),
  });
  await page.locator("reaction-counter").getByText("0").waitFor();
  assert.ok((await page.evaluate(() => /** @type {any} */ (window).thrown)) > 0, "and is not swallowed");
});

test("a token that never comes hides no counts and keeps nothing running", async () => {
  const { page } = await own(`<reaction-counter article=${untouched()}></reaction-counter>`, {
    script: `let timers = 0; const { setTimeout: real } = window; window.setTimeout = (...all) => (timers++, real(...all));
      window.timers = () => timers; module.configure({ token: () => new Promise(() => {}) });`,
  });
  await page.locator("reaction-counter").getByText("0").waitFor();
  const timers = await page.evaluate(() => /** @type {any} */ (window).timers());
  assert.ok(timers < 20, `${timers} timers`);
});

test("each button that was clicked says that it failed", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article}></reaction-button>`.repeat(2), {
    script: SIGNED_IN + HEAR,
    before: (page) => page.route("**/like", async (route) => {
      await new Promise((done) => setTimeout(done, 300));
      await route.fulfill({ status: 403, headers: allow(route), body: "{}" });
    }),
  });
  await button(page, 0).click();
  await button(page, 1).click();
  await button(page, 1).click();
  for (const index of [0, 1]) await eventually(() => said(page, index), "Not allowed.");
  assert.equal((await heard(page)).length, 2);
});

test("what is no counter, no kind or no id is said in the console, and harms nothing else", async () => {
  const article = untouched();
  const { page, said } = await own(
    `<reaction-counter article=${article} show=toString></reaction-counter><reaction-button article="4 2"></reaction-button>
     <reaction-button article=${article} kind=hug></reaction-button><reaction-button article=" ${article} "></reaction-button>`,
  );
  await button(page, 2).click();
  await eventually(() => rows(article).length, 1);
  assert.equal(await page.locator("reaction-counter [part=count]").textContent(), "–");
  for (const index of [0, 1]) assert.equal(await button(page, index).isDisabled(), true);
  for (const what of [/no counter toString/, /article id 4 2/, /no kind hug/]) assert.match(said.join("\n"), what);
});

test("the page hears what has changed, and the base may end with a slash", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article} kind=collect></reaction-button>`, {
    tag: `data-base="${service()}/"`,
    script: SIGNED_IN + HEAR,
  });
  await button(page).click();
  await eventually(() => heard(page), [["interaction-change", article, "collect", true, 1, null]]);
});
