// The demo page, and what a reader does and sees there.
import assert from "node:assert/strict";
import { browser, demo, newcomer, PATIENCE, untouched } from "./stack.js";

/** @typedef {import("playwright-core").Page} Page */

/** Every script error of every page so far: an end-to-end test must not pass over one. @type {string[]} */
export const errors = [];

/**
 * @param {object} [options]
 * @param {string} [options.article]
 * @param {string} [options.user] "" for a visitor
 * @param {import("playwright-core").BrowserContext} [options.context]
 * @param {import("playwright-core").BrowserContextOptions} [options.as]
 */
export async function open({ article = untouched(), user = newcomer(), context, as } = {}) {
  const page = await (context ?? (await browser.newContext(as))).newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => errors.push(String(error)));
  /** @type {string[]} requests of this page that change something, as "PUT like" */
  const changes = [];
  /** @type {Set<string>} */
  const underWay = new Set();
  page.on("request", (request) => {
    if (!["PUT", "DELETE"].includes(request.method())) return;
    changes.push(`${request.method()} ${request.url().split("/").pop()}`);
    assert.ok(!underWay.has(request.url()), "two requests of one button at once");
    underWay.add(request.url());
  });
  for (const end of /** @type {const} */ (["requestfinished", "requestfailed"]))
    page.on(/** @type {"requestfinished"} */ (end), (request) => underWay.delete(request.url()));
  await page.goto(`${demo}?${new URLSearchParams({ article, user })}`);
  const main = page.locator("main article");
  const shown = {
    page,
    article,
    user,
    changes,
    like: main.getByRole("button", { name: "Like" }),
    save: main.getByRole("button", { name: "Save" }),
    again: page.locator("li", { hasText: "The same" }).getByRole("button"),
    status: main.locator("like-button").getByRole("status"),
    reads: page.locator("read-counter[track]"),
    /** What the like button says: pressed or not, and the count. */
    likes: () => state(shown.like),
  };
  // Known, not only drawn.
  await shown.like.getByText(/\d/).waitFor();
  return shown;
}

/** @param {import("playwright-core").Locator} button @returns {Promise<[string | null, string]>} */
export const state = async (button) => [
  await button.getAttribute("aria-pressed"),
  (await button.locator("[part=count]").textContent()) ?? "",
];
