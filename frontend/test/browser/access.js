import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { kinds, looks } from "../../src/kinds.js";
import { open, state } from "./page.js";
import { eventually, test } from "./stack.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {import("playwright-core").Page} page */
export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => /** @type {any} */ (window).axe.run({ resultTypes: ["violations"] }));
  assert.ok(found.passes.length > 10, "axe has looked");
  return found.violations.map((/** @type {any} */ { id, nodes }) => [id, ...nodes.map((/** @type {any} */ { html }) => html)]);
}

for (const colorScheme of /** @type {const} */ (["light", "dark"]))
  test(`axe finds nothing, ${colorScheme}: before, after a like, and after an error`, async () => {
    const { page, like, status } = await open({ as: { colorScheme } });
    assert.deepEqual(await violations(page), []);
    await like.click();
    assert.deepEqual(await violations(page), []);
    await page.getByLabel("Signed in as").selectOption("");
    await like.click();
    await status.getByText("Sign in first.").waitFor();
    assert.deepEqual(await violations(page), []);
  });

test("the keyboard does all, and a screen reader hears name, state and failure", async () => {
  const { page, like, likes, status } = await open();
  await page.getByLabel("Signed in as").focus();
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => /** @type {any} */ (document.activeElement)?.kind);
  assert.equal(await focused(), "like");
  await page.keyboard.press("Space");
  await eventually(likes, ["true", "1"]);
  await page.keyboard.press("Enter");
  await eventually(likes, ["false", "0"]);
  for (const { name } of kinds.slice(1)) {
    await page.keyboard.press("Tab");
    assert.equal(await focused(), name);
  }
  const names = kinds.map(({ name }) => `button "${looks[name].label}"`);
  assert.match(await page.locator("main article .actions").ariaSnapshot(), new RegExp(names.join("[^]*")));
  await like.click();
  await eventually(likes, ["true", "1"]);
  assert.match(await page.locator("main article .actions").ariaSnapshot(), /button "Like 1" \[pressed\]/);
  assert.equal(await status.getAttribute("role"), "status");
  const { width, height } = (await like.boundingBox()) ?? { width: 0, height: 0 };
  assert.ok(width >= 44 && height >= 44, `a finger meets ${width} × ${height} px`);
});

// What each part is. Three of them are states.
const PARTS = {
  button: "button", icon: "svg", count: "img", status: "status", "sign-in": "a", pressed: "button", busy: "button", zero: "img",
};

/** The parts that the README's table gives each element. @returns {{ [element: string]: string[] }} */
function documented() {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const rows = [...readme.matchAll(/^\| `<([a-z-]+)[ >].* \| ([^|]+) \|$/gm)];
  return Object.fromEntries(rows.map(([, element, cell]) => [element, cell.match(/(?<=`)[a-z-]+(?=`)/g) ?? []]));
}

/**
 * What within an element has the style that a sheet of the page gives to `::part()` of that name.
 *
 * @param {import("playwright-core").Locator} element
 * @param {string} part
 * @returns {Promise<string[]>}
 */
const styled = (element, part) =>
  element.evaluate((element, part) => {
    // Nothing inherits a background: who has it was met.
    const color = "rgb(1, 2, 3)";
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`${element.localName}::part(${part}) { background-color: ${color} !important }`);
    document.adoptedStyleSheets = [sheet];
    const inside = [.../** @type {ShadowRoot} */ (element.shadowRoot).querySelectorAll("*")];
    const met = inside.filter((one) => getComputedStyle(one).backgroundColor == color);
    document.adoptedStyleSheets = [];
    return met.map((one) => one.getAttribute("role") ?? one.localName);
  }, part);

test("every ::part that the README names can be styled by the page, and there is no other", async () => {
  const { page, buttons } = await open();
  const parts = documented();
  assert.deepEqual(Object.keys(parts), ["reaction-button", "reaction-counter"]);
  const button = page.locator("reaction-button").first();
  const counter = page.locator("reaction-counter").first();
  const met = new Set();
  /** Which parts there are now, each of which the page can style. @param {import("playwright-core").Locator} element */
  const look = async (element) => {
    const there = await element.evaluate(({ shadowRoot }) =>
      [.../** @type {ShadowRoot} */ (shadowRoot).querySelectorAll("[part]")].flatMap((one) => [...one.part]),
    );
    for (const part of there)
      assert.deepEqual(await styled(element, part), [/** @type {any} */ (PARTS)[part]], part);
    return there;
  };
  const note = async () => (await look(button)).forEach((part) => met.add(part));

  assert.deepEqual(parts["reaction-counter"], ["count"]);
  assert.deepEqual(await styled(counter, "count"), ["span"]);
  await note();
  let send = () => {};
  const held = new Promise((done) => (send = () => done(null)));
  await page.route("**/like", (route) => held.then(() => route.continue()));
  await buttons.like.click();
  await note();
  send();
  await eventually(() => styled(button, "busy"), []);
  await page.getByLabel("Signed in as").selectOption("");
  await buttons.like.click();
  await page.getByRole("link", { name: "Sign in" }).waitFor();
  await note();
  assert.deepEqual([...met].sort(), [...parts["reaction-button"]].sort());
});

test("no two buttons of the page have one name", async () => {
  const { page } = await open();
  const names = (await page.locator("main").ariaSnapshot()).match(/button "[^"]*"/g) ?? [];
  // And the two likes beside the article.
  const expected = kinds.length + 2;
  assert.deepEqual([names.length, new Set(names).size], [expected, expected], names.join());
});

for (const [size, width, height] of /** @type {const} */ ([["wide", 1200, 800], ["narrow", 360, 760]]))
  for (const colorScheme of /** @type {const} */ (["light", "dark"]))
    test(`the page as the README shows it: ${size}, ${colorScheme}`, async () => {
      const { page, buttons } = await open({ as: { viewport: { width, height }, colorScheme }, user: "7" });
      for (const kind of kinds) {
        // A like switches it off.
        if ("excludes" in kind && kind.excludes == "like") continue;
        await buttons[kind.name].click();
        await eventually(() => state(buttons[kind.name]), ["true", "1"]);
      }
      await page.locator("reaction-counter[show=pv]").getByText("1").waitFor();
      const image = await page.screenshot({ animations: "disabled" });
      assert.ok(image.length < 150_000, `${image.length} bytes`);
      const file = new URL(`../../screenshots/${size}-${colorScheme}.png`, import.meta.url);
      if (process.env.SCREENSHOTS) writeFileSync(file, image);
    });
