// The demo, the built module, and Firefox's own cache of pages. What a test in Chromium has too is in both.js.
import assert from "node:assert/strict";
import { sign } from "../../demo/dev.js";
import { firefox } from "./gecko.js";
import { own } from "./own.js";
import { errors, state } from "./page.js";
import { demo, environment, eventually, interactions, newcomer, PATIENCE, rows, service, test, untouched } from "./stack.js";

/** @param {string} article @param {string} user "" for a visitor */
async function open(article, user) {
  const page = await firefox.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`${demo}?${new URLSearchParams({ article, user })}`);
  const element = page.locator("reaction-button[kind=like]");
  const [like, status] = [element.getByRole("button"), element.getByRole("status")];
  return { page, like, status, likes: () => state(like) };
}

test("firefox: a like counts, is shown and taken back; the keyboard does it too", async () => {
  const [article, user] = [untouched(), newcomer()];
  const { page, like, likes, status } = await open(article, user);
  await eventually(likes, ["false", "0"]);
  await like.click();
  await eventually(() => rows(article), [[user, "1"]]);
  await eventually(likes, ["true", "1"]);
  await page.keyboard.press("Enter");
  await eventually(() => rows(article), [[user, "0"]]);
  await eventually(likes, ["false", "0"]);
  assert.equal(await status.textContent(), "");
  await page.close();
});

test("firefox: a visitor is viewed and read; the link beside the click signs in, and then the like is made", async () => {
  const article = untouched();
  const { page, like, likes, status } = await open(article, "");
  await like.click();
  await eventually(() => status.textContent(), "Sign in first. Sign in");
  await eventually(async () => {
    const { pv, uv, reads, likes } = await interactions(article);
    return [pv, uv, reads, likes];
  }, [1, 1, 1, 0]);
  await status.locator("a").click();
  await eventually(() => rows(article), [["7", "1"]]);
  await eventually(likes, ["true", "1"]);
  assert.match(page.url(), /user=7/);
  await page.close();
});

test("firefox: a page that comes back from the browser's cache is viewed again", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-counter article=${article} track></reaction-counter>`, { context: firefox, user: null });
  await eventually(async () => (await interactions(article)).pv, 1);
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (document.title = `persisted ${persisted}`)));
  await page.goto(new URL("/src/index.js", page.url()).href);
  // Later, because the script ends with its page.
  await page.evaluate(() => void setTimeout(() => history.back()));
  await eventually(() => page.evaluate(() => document.title).catch(String), "persisted true");
  await eventually(async () => (await interactions(article)).pv, 2);
  await page.close();
});

test("firefox: the built module sets itself up from its tag", async () => {
  const [article, user] = [untouched(), newcomer()];
  const token = await sign(/** @type {any} */ (environment()), user, 3600);
  const { page } = await open(article, "");
  await page.evaluate(
    ([base, article, token]) => {
      const tag = Object.assign(document.createElement("script"), { type: "module", src: "/dist/interaction.js" });
      Object.assign(tag.dataset, { base, prefix: "built" });
      const script = `import { configure } from "/dist/interaction.js"; configure({ token: () => ${JSON.stringify(token)} });`;
      document.body.innerHTML = `<built-button article="${article}"></built-button>`;
      document.body.append(tag, Object.assign(document.createElement("script"), { type: "module", text: script }));
    },
    [service(), article, token],
  );
  await page.locator("built-button").getByRole("button").click();
  await eventually(() => rows(article), [[user, "1"]]);
  await page.close();
});
