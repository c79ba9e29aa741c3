// Pages of the tests' own, at the demo's origin, and what they do.
import { sign } from "../../demo/dev.js";
import { errors } from "./page.js";
import { browser, demo, environment, newcomer, PATIENCE, service } from "./stack.js";

/** @typedef {import("playwright-core").Page} Page */

/**
 * A page of the test's own, at the demo's origin.
 *
 * @param {string} body
 * @param {object} [options]
 * @param {string} [options.head] besides the module's tag
 * @param {string} [options.tag] attributes of the module's tag
 * @param {string} [options.script] a module that has `module`, the front end's, and `token`, the user's
 * @param {string | null} [options.user] whose token the page has; null for a visitor
 * @param {import("playwright-core").BrowserContext} [options.context]
 * @param {import("playwright-core").BrowserContextOptions} [options.as]
 * @param {(page: Page) => Promise<unknown>} [options.before] before the page is opened
 * @param {Record<string, string>} [options.headers]
 * @param {string} [options.origin]
 */
export async function own(body, options = {}) {
  const { user = newcomer(), context, as, before, headers, origin = new URL(demo).origin } = options;
  const { head = "", tag = `data-base="${service()}"`, script = "module.configure({ token: () => token });" } = options;
  const token = user && (await sign(/** @type {any} */ (environment()), user, 3600));
  const page = await (context ?? (await browser.newContext(as))).newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => errors.push(String(error)));
  /** @type {string[]} what the page's console says of errors */
  const said = [];
  page.on("console", (message) => message.type() == "error" && said.push(message.text()));
  /** @type {import("playwright-core").Request[]} to the service */
  const requests = [];
  page.on("request", (request) => request.url().includes("/v1/") && requests.push(request));
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page of a test</title>
    <script type="module" src="/src/tag.js" ${tag}></script><script type="module" src="/own/own.js"></script>${head}</head><body>${body}</body></html>`;
  const module = `import * as module from "/src/tag.js"; window.module = module; const token = ${JSON.stringify(token)};${script}`;
  await page.route("**/own/", (route) => route.fulfill({ contentType: "text/html", headers, body: html }));
  await page.route("**/own/own.js", (route) => route.fulfill({ contentType: "text/javascript", body: module }));
  // The demo's server, under a name that the service takes for another site.
  if (origin != new URL(demo).origin)
    await page.route(`${origin}/src/**`, (route) => route.continue({ url: route.request().url().replace(origin, new URL(demo).origin) }));
  await before?.(page);
  await page.goto(`${origin}/own/`);
  return { page, user, said, requests, token };
}

/** The button of the page's element number `index`. @param {Page} page @param {number} [index] */
export const button = (page, index = 0) => page.locator("reaction-button").nth(index).getByRole("button");
/** @param {Page} page @param {number} [index] */
export const said = (page, index = 0) => page.locator("reaction-button").nth(index).getByRole("status").textContent();
/** The service's headers for a page of another origin, also on errors. @param {import("playwright-core").Route} route */
export const allow = (route) => ({
  "Access-Control-Allow-Origin": new URL(route.request().frame().url()).origin,
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Expose-Headers": "Retry-After, X-Request-Id",
  "Content-Type": "application/problem+json",
});
/** Answers the first `times` requests of that kind with an error. @param {Page} page @param {string} url @param {number} status */
export async function refuse(page, url, status, times = Infinity, problem = "not-warm") {
  await page.route(url, (route) => {
    if (times-- <= 0) return route.continue();
    const body = JSON.stringify({ type: `/v1/problems/${problem}`, title: problem, status });
    return route.fulfill({ status, headers: { ...allow(route), "Retry-After": "1", "X-Request-Id": "r-1" }, body });
  });
}
/** Keeps the page's events in `window.heard`, as [type, article, kind, on, count, status]. */
export const HEAR = `window.heard = []; for (const type of ["interaction-change", "interaction-error", "interaction-read"])
  addEventListener(type, ({ detail: { article, kind, on, count, status } }) => heard.push([type, article, kind, on, count, status]));`;
/** @param {Page} page */
export const heard = (page) => page.evaluate(() => /** @type {any} */ (window).heard);
export const SIGNED_IN = "module.configure({ token: () => token });";
