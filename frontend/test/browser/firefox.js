// The same in Firefox, as Debian has it: what browsers do in ways of their own. Playwright drives only a Firefox of its own.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import puppeteer from "puppeteer-core";
import { sign } from "../../demo/dev.js";
import { demo, environment, eventually, interactions, newcomer, PATIENCE, rows, service, test, untouched } from "./stack.js";

const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
/** @type {import("puppeteer-core").Browser} */
let firefox;
// It takes half a minute to start on a busy machine, so it starts while the other tests run.
const starting = puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 4 * PATIENCE });
starting.catch(() => {});

before(async () => {
  firefox = await starting;
});
after(() => firefox?.close());

/** @param {string} article @param {string} user "" for a visitor */
async function open(article, user) {
  const page = await firefox.newPage();
  page.setDefaultTimeout(PATIENCE);
  /** @type {unknown[]} */
  const failed = [];
  page.on("pageerror", (error) => failed.push(String(error)));
  // What a program drives counts nothing.
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, "webdriver", { value: false }));
  await page.goto(`${demo}?${new URLSearchParams({ article, user })}`);
  const shadow = "reaction-button[kind=like] >>> ";
  /** Pressed or not, and the count. */
  const like = () =>
    page.evaluate(() => {
      const { shadowRoot } = /** @type {HTMLElement} */ (document.querySelector("reaction-button[kind=like]"));
      const [button, status] = /** @type {any} */ (shadowRoot?.children);
      return [button.ariaPressed, button.querySelector("[part~=count]").textContent, status.textContent];
    });
  const click = () => page.locator(`${shadow}button`).click();
  return { page, like, click, failed };
}

test("firefox: a like counts, is shown and taken back; the keyboard does it too", async () => {
  const [article, user] = [untouched(), newcomer()];
  const { page, like, click, failed } = await open(article, user);
  await eventually(like, ["false", "0", ""]);
  await click();
  await eventually(() => rows(article), [[user, "1"]]);
  await eventually(like, ["true", "1", ""]);
  await page.keyboard.press("Enter");
  await eventually(() => rows(article), [[user, "0"]]);
  await eventually(like, ["false", "0", ""]);
  assert.deepEqual(failed, []);
  await page.close();
});

test("firefox: a visitor is viewed and read, and asked to sign in beside the click", async () => {
  const article = untouched();
  const { page, like, click, failed } = await open(article, "");
  await click();
  await eventually(async () => (await like())[2], "Sign in first. Sign in");
  await eventually(async () => {
    const { pv, uv, reads, likes } = await interactions(article);
    return [pv, uv, reads, likes];
  }, [1, 1, 1, 0]);
  assert.deepEqual(failed, []);
  await page.close();
});

test("firefox: the built module sets itself up from its tag", async () => {
  const [article, user] = [untouched(), newcomer()];
  const token = await sign(/** @type {any} */ (environment()), user, 3600);
  const { page, failed } = await open(article, "");
  await page.evaluate(
    (base, article, token) => {
      const tag = Object.assign(document.createElement("script"), { type: "module", src: "/dist/interaction.js" });
      Object.assign(tag.dataset, { base, prefix: "built" });
      const script = `import { configure } from "/dist/interaction.js"; configure({ token: () => ${JSON.stringify(token)} });`;
      document.body.innerHTML = `<built-button article="${article}"></built-button>`;
      document.body.append(tag, Object.assign(document.createElement("script"), { type: "module", text: script }));
    },
    service(),
    article,
    token,
  );
  await page.locator("built-button >>> button:enabled").click();
  await eventually(() => rows(article), [[user, "1"]]);
  assert.deepEqual(failed, []);
  await page.close();
});
