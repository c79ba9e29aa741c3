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
