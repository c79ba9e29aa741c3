// The demo page, and what a reader does and sees there.
import { kinds } from "../../src/kinds.js";
import { browser, demo, newcomer, PATIENCE, untouched } from "./stack.js";

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("playwright-core").Locator} Locator
 * @typedef {(typeof kinds)[number]} Kind
 */

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
  page.on("request", (request) => {
    if (["PUT", "DELETE"].includes(request.method())) changes.push(`${request.method()} ${request.url().split("/").pop()}`);
  });
  await page.addInitScript(oneAtATime);
  await page.goto(`${demo}?${new URLSearchParams({ article, user })}`);
  const main = page.locator("main article");
  const button = (/** @type {Kind} */ { name }) =>
    /** @type {const} */ ([name, main.locator(`reaction-button[kind=${name}]`).getByRole("button")]);
  const buttons = /** @type {{ [name in Kind["name"]]: Locator }} */ (Object.fromEntries(kinds.map(button)));
  const shown = {
    page,
    article,
    user,
    changes,
    buttons,
    like: buttons.like,
    again: page.locator("li", { hasText: "The same" }).getByRole("button"),
    status: main.locator("reaction-button[kind=like]").getByRole("status"),
    reads: page.locator("reaction-counter[track]"),
    /** What the like button says: pressed or not, and the count. */
    likes: () => state(shown.like),
  };
  // Known, not only drawn.
  await page.waitForFunction(() => /** @type {any} */ (document.querySelector(".actions > *"))?.shadowRoot.querySelector("[part~=count]")?.textContent);
  return shown;
}

/** In the page: it is an error of the page if a button has two requests under way. */
function oneAtATime() {
  const send = window.fetch;
  /** @type {Set<unknown>} */
  const underWay = new Set();
  window.fetch = async (url, options) => {
    const changes = ["PUT", "DELETE"].includes(options?.method ?? "");
    if (changes && underWay.has(url)) reportError(new Error(`two requests at once: ${url}`));
    if (changes) underWay.add(url);
    try {
      return await send(url, options);
    } finally {
      underWay.delete(url);
    }
  };
}

/** @param {Locator} button @returns {Promise<[string | null, string]>} */
export const state = async (button) => [
  await button.getAttribute("aria-pressed"),
  (await button.locator("[part~=count]").textContent()) ?? "",
];
