// The recipes of the frameworks, built by the frameworks' own tools.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { before } from "node:test";
import { sign } from "../../demo/dev.js";
import { errors, state } from "./page.js";
import { browser, demo, environment, eventually, interactions, newcomer, PATIENCE, rows, service, test, untouched } from "./stack.js";

const recipes = new URL("../../recipes/", import.meta.url);
before(() => {
  execFileSync(process.execPath, ["build.js"], { cwd: recipes, stdio: "inherit" });
});

/**
 * @param {string} recipe
 * @param {(article: string) => Promise<string> | string} body of the page of an article
 */
async function open(recipe, body) {
  const [article, user] = [untouched(), newcomer()];
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => errors.push(`${recipe}: ${error}`));
  /** @type {string[]} what the framework complains of, such as a hydration that finds something else */
  const said = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  /** @type {string[]} */
  const views = [];
  page.on("request", (request) => request.url().endsWith("/views") && views.push(request.url()));
  const test = { article, base: service(), token: await sign(/** @type {any} */ (environment()), user, 3600) };
  await page.route("**/own/*", async (route) => {
    const id = route.request().url().split("/").pop() ?? "";
    const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${id}</title>
      <script>window.test ??= ${JSON.stringify(test)};</script>
      <script type="module" src="/recipes/${recipe}.js"></script></head><body>${await body(id)}</body></html>`;
    return route.fulfill({ contentType: "text/html", body: html });
  });
  const built = readFileSync(new URL(`dist/${recipe}.js`, recipes), "utf8");
  await page.route("**/recipes/*", (route) => route.fulfill({ contentType: "text/javascript", body: built }));
  await page.goto(new URL(`/own/${article}`, demo).href);
  const button = page.locator("reaction-button").getByRole("button");
  const counter = page.locator("reaction-counter [part=count]");
  /** The button works, and the counter shows it. @param {string} of */
  const liked = async (of) => {
    await eventually(() => state(button), ["false", "0"]);
    await button.click();
    await eventually(() => rows(of), [[user, "1"]]);
    await eventually(() => counter.textContent(), "1");
  };
  return { page, article, user, said, views, button, counter, liked };
}

/** Rendered by a server. @param {string} recipe */
const rendered = (recipe) => async (/** @type {string} */ article) => {
  const { render } = await import(new URL(`dist/server/${recipe}.js`, recipes).href);
  const html = await render(article);
  assert.match(html, /<reaction-button [^>]*article="/, "a server renders the tags");
  return `<div id="app">${html}</div>`;
};
const empty = () => '<div id="app"></div>';

test("JSX of React 19 and 18, and templates of Vue and Svelte, have the elements' types, and no others", () => {
  for (const project of ["tsconfig.json", "tsconfig.18.json"])
    execFileSync("../node_modules/.bin/tsc", ["-p", project], { cwd: recipes, stdio: "inherit" });
});

for (const recipe of ["react-19", "react-18"])
  test(`${recipe}: elements and hook, rendered by a server and hydrated`, async () => {
    const { page, article, said, views, button, liked } = await open(recipe, rendered(recipe));
    await liked(article);
    const own = page.locator("#own");
    await eventually(async () => [await own.getAttribute("aria-pressed"), await own.textContent()], ["true", "Applaud 1"]);
    await page.getByText("Hide or show").click();
    await button.waitFor({ state: "detached" });
    await own.click();
    await eventually(() => rows(article).map(([, on]) => on), ["0"]);
    await page.getByText("Hide or show").click();
    await eventually(() => state(button), ["false", "0"]);
    assert.deepEqual([said, views], [[], []]);
  });

test("vue: rendered by a server and hydrated, and its router shows another article", async () => {
  const { page, article, said, views, button, liked } = await open("vue", rendered("vue"));
  await liked(article);
  await page.getByText("Next").click();
  await liked(`${article}1`);
  await page.goBack();
  await eventually(() => state(button), ["true", "1"]);
  assert.deepEqual([said, views], [[], []]);
});

for (const recipe of ["svelte", "angular"])
  test(`${recipe}: attributes and events of the elements as of any other`, async () => {
    const { page, article, said, views, liked } = await open(recipe, empty);
    await liked(article);
    await page.getByText("like true").waitFor();
    assert.deepEqual([said, views], [[], []]);
  });

test("turbo: pages that are exchanged are views of their own, and their buttons work", async () => {
  const { page, article, said, button, liked } = await open(
    "turbo",
    (id) => `<article><reaction-counter article="${id}" show="likes" track>likes</reaction-counter>
      <reaction-button article="${id}">Like</reaction-button><a href="/own/${id}1">Next</a></article>`,
  );
  await liked(article);
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.getByText("Next").click();
  await page.waitForURL(`**/${article}1`);
  await liked(`${article}1`);
  await page.goBack();
  await eventually(() => state(button), ["true", "1"]);
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).same), true, "it was never loaded again");
  await eventually(async () => (await interactions(article)).pv, 2);
  await eventually(async () => (await interactions(`${article}1`)).pv, 1);
  assert.deepEqual(said, []);
});
