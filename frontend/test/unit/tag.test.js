// How the module finds its script tag.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import "./world.js";
import { options } from "../../src/options.js";

const module = new URL("../../src/tag.js", import.meta.url);
const error = mock.method(console, "error", () => {});

/**
 * The base of the service once the module has been loaded from that address by a page with these script tags.
 *
 * @param {string} address
 * @param {{ src: string, dataset: { base?: string } }[]} scripts
 */
async function loaded(address, scripts) {
  options.base = "";
  const querySelector = (/** @type {string} */ selector) => {
    assert.equal(selector, "script[type=module][data-base]");
    return scripts.find(({ dataset }) => dataset.base) ?? null;
  };
  Object.assign(document, { scripts, querySelector });
  await import(address);
  return options.base;
}

test("the module finds its own tag by its address", async () => {
  const address = `${module}?own`;
  const other = { src: "https://cdn.example/other.js", dataset: { base: "https://other.example" } };
  const own = { src: address, dataset: { base: "https://own.example" } };
  assert.equal(await loaded(address, [other, own]), "https://own.example");
});

test("a tag whose address leads to another one is found by its base", async () => {
  const tag = { src: "https://cdn.example/latest.js", dataset: { base: "https://api.example" } };
  assert.equal(await loaded(`${module}?redirected`, [tag]), "https://api.example");
  assert.equal(error.mock.callCount(), 0);
});

test("if there is no tag, the console says so", async () => {
  assert.equal(await loaded(`${module}?none`, []), "");
  assert.match(String(error.mock.calls[0].arguments[0]), /no script tag/);
});
