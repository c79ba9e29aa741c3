import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { kinds } from "../../src/kinds.js";
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
  for (const { tag } of kinds.slice(1)) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.localName), tag);
  }
  const names = kinds.map(({ label }) => `button "${label} 0"`);
  assert.match(await page.locator("main article .actions").ariaSnapshot(), new RegExp(names.join("[^]*")));
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
  const { page, buttons } = await open();
  let send = () => {};
  const held = new Promise((done) => (send = () => done(null)));
  const changing = new RegExp(`/(${kinds.map(({ name }) => name).join("|")})$`);
  await page.route(changing, (route) => held.then(() => route.continue()));
  const parts = documented();
  // The README says of one button what holds for that of every kind.
  assert.deepEqual(Object.keys(parts), ["like-button", "read-counter"]);
  const clicked = kinds.filter((kind) => !("excludes" in kind) || kind.excludes != "like");
  const tags = clicked.map(({ tag }) => tag);

  for (const tag of tags)
    for (const state of ["pressed", "busy"])
      assert.deepEqual(await styled(page.locator(tag).first(), state), [], `${state} before the click`);
  for (const { name } of clicked) await buttons[name].click();
  for (const name of [...tags, "read-counter"]) {
    const element = page.locator(name).first();
    const own = parts[name] ?? parts["like-button"];
    for (const part of own)
      assert.deepEqual(await styled(element, part), [/** @type {any} */ (PARTS)[part]], `${name}::part(${part})`);
    const there = await element.evaluate(({ shadowRoot }) =>
      [.../** @type {ShadowRoot} */ (shadowRoot).querySelectorAll("[part]")].flatMap((one) => [...one.part]),
    );
    assert.deepEqual(there.sort(), [...own].sort(), name);
  }
  send();
  for (const tag of tags) {
    await eventually(() => styled(page.locator(tag).first(), "busy"), []);
    assert.deepEqual(await styled(page.locator(tag).first(), "pressed"), ["button"]);
  }
});

test("no two buttons of the page have one name", async () => {
  const { page } = await open();
  const names = (await page.locator("main").ariaSnapshot()).match(/button "[^"]*"/g) ?? [];
  // And the two likes beside the article.
  const expected = kinds.length + 2;
  assert.deepEqual([names.length, new Set(names).size], [expected, expected], names.join());
});

test("the page as the README shows it", async () => {
  for (const [name, as] of /** @type {const} */ ([
    ["demo", { viewport: { width: 760, height: 560 }, colorScheme: "light" }],
    ["demo-dark", { viewport: { width: 380, height: 760 }, colorScheme: "dark" }],
  ])) {
    const { page, buttons } = await open({ as, user: "7" });
    for (const kind of kinds) {
      // A like switches it off.
      if ("excludes" in kind && kind.excludes == "like") continue;
      await buttons[kind.name].click();
      await eventually(() => state(buttons[kind.name]), ["true", "1"]);
    }
    await page.locator("read-counter[show=pv]").getByText("1").waitFor();
    const image = await page.screenshot({ animations: "disabled" });
    assert.ok(image.length < 100_000, `${name}: ${image.length} bytes`);
    if (process.env.SCREENSHOTS) writeFileSync(new URL(`../../screenshots/${name}.png`, import.meta.url), image);
  }
});
