import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { open, state } from "./page.js";
import { eventually } from "./stack.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @param {import("playwright-core").Page} page */
async function violations(page) {
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
  assert.equal(await page.evaluate(() => document.activeElement?.localName), "like-button");
  await page.keyboard.press("Space");
  await eventually(likes, ["true", "1"]);
  await page.keyboard.press("Enter");
  await eventually(likes, ["false", "0"]);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.localName), "collect-button");
  assert.match(await page.locator("main article .actions").ariaSnapshot(), /button "Like 0"[^]*button "Save 0"/);
  await like.click();
  await eventually(likes, ["true", "1"]);
  assert.match(await page.locator("main article .actions").ariaSnapshot(), /button "Like 1" \[pressed\]/);
  assert.equal(await status.getAttribute("role"), "status");
  const { width, height } = (await like.boundingBox()) ?? { width: 0, height: 0 };
  assert.ok(width >= 44 && height >= 44, `a finger meets ${width} × ${height} px`);
});

// What each part is. Two of them are states of the button.
const PARTS = { button: "button", icon: "svg", count: "span", status: "status", pressed: "button", busy: "button" };

/** The parts that the README's table gives each element. */
function documented() {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  /** @type {{ [element: string]: string[] }} */
  const parts = {};
  let before = "";
  for (const [, element, cell] of readme.matchAll(/^\| `<([a-z-]+) .* \| ([^|]+) \|$/gm)) {
    parts[element] = cell == "the same" ? parts[before] : (cell.match(/(?<=`)[a-z]+(?=`)/g) ?? []);
    before = element;
  }
  return parts;
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
    sheet.replaceSync(`${element.localName}::part(${part}) { background-color: ${color} }`);
    document.adoptedStyleSheets = [sheet];
    const inside = [.../** @type {ShadowRoot} */ (element.shadowRoot).querySelectorAll("*")];
    const met = inside.filter((one) => getComputedStyle(one).backgroundColor == color);
    document.adoptedStyleSheets = [];
    return met.map((one) => one.getAttribute("role") ?? one.localName);
  }, part);

test("every ::part that the README names can be styled by the page, and there is no other", async () => {
  const { page, like, save } = await open();
  let send = () => {};
  const held = new Promise((done) => (send = () => done(null)));
  await page.route(/\/(like|collect)$/, (route) => held.then(() => route.continue()));
  const elements = Object.entries(documented()).map(([name, parts]) => ({ element: page.locator(name).first(), name, parts }));
  assert.deepEqual(elements.map(({ name }) => name), ["like-button", "collect-button", "read-counter"]);

  const [liking, saving] = elements.map(({ element }) => element);
  for (const button of [liking, saving])
    for (const state of ["pressed", "busy"]) assert.deepEqual(await styled(button, state), [], `${state} before the click`);
  await like.click();
  await save.click();
  for (const { element, name, parts } of elements) {
    for (const part of parts)
      assert.deepEqual(await styled(element, part), [/** @type {any} */ (PARTS)[part]], `${name}::part(${part})`);
    const there = await element.evaluate(({ shadowRoot }) =>
      [.../** @type {ShadowRoot} */ (shadowRoot).querySelectorAll("[part]")].flatMap((one) => [...one.part]),
    );
    assert.deepEqual(there.sort(), [...parts].sort(), name);
  }
  send();
  for (const button of [liking, saving]) {
    await eventually(() => styled(button, "busy"), []);
    assert.deepEqual(await styled(button, "pressed"), ["button"]);
  }
});

test("no two buttons of the page have one name", async () => {
  const { page } = await open();
  const names = (await page.locator("main").ariaSnapshot()).match(/button "[^"]*"/g) ?? [];
  assert.deepEqual([names.length, new Set(names).size], [4, 4], names.join());
});

test("the page as the README shows it", async () => {
  for (const [name, as] of /** @type {const} */ ([
    ["demo", { viewport: { width: 760, height: 560 }, colorScheme: "light" }],
    ["demo-dark", { viewport: { width: 380, height: 760 }, colorScheme: "dark" }],
  ])) {
    const { page, like, save, likes } = await open({ as, user: "7" });
    await like.click();
    await save.click();
    await eventually(likes, ["true", "1"]);
    await eventually(() => state(save), ["true", "1"]);
    await page.locator("read-counter[show=pv]").getByText("1").waitFor();
    const image = await page.screenshot({ animations: "disabled" });
    assert.ok(image.length < 100_000, `${name}: ${image.length} bytes`);
    if (process.env.SCREENSHOTS) writeFileSync(new URL(`../../screenshots/${name}.png`, import.meta.url), image);
  }
});
