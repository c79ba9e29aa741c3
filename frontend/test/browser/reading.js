import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { own } from "./own.js";
import { open } from "./page.js";
import { eventually, interactions, LAUNCH, PATIENCE, service, test, untouched } from "./stack.js";

/** @param {string} article */
const counted = async (article) => {
  const { pv, uv, reads } = await interactions(article);
  return [pv, uv, reads];
};

// Without the reads, because on a slow machine the five seconds may be over before the test looks.
const viewed = async (/** @type {string} */ article) => (await counted(article)).slice(0, 2);

/**
 * Opens the page in a tab that `hide` really hides behind another one. Playwright makes every page believe that it is in
 * front, and only its internals can turn that off.
 *
 * @param {(shown: Awaited<ReturnType<typeof open>>, tab: Tab) => Promise<void>} use
 *
 * @typedef {object} Tab
 * @property {() => Promise<void>} hide
 * @property {() => Promise<void>} show
 * @property {() => Promise<void>} dwell waits as long as a view must last to be a read
 * @property {string[]} beacons URLs of the reads that were sent since the page was opened
 */
async function inTab(use) {
  const context = await chromium.launchPersistentContext("", LAUNCH);
  try {
    /** @type {string[]} */
    const beacons = [];
    context.on("request", (request) => request.url().endsWith("/reads") && beacons.push(request.url()));
    const shown = await open({ context, user: "" });
    const { article, page } = shown;
    await eventually(() => viewed(article), [1, 1]);
    const inside = /** @type {any} */ (chromium)._connection.toImpl(page).delegate._mainFrameSession._client;
    await inside.send("Emulation.setFocusEmulationEnabled", { enabled: false });
    const [other] = context.pages();
    await use(shown, {
      async hide() {
        await other.bringToFront();
        await page.waitForFunction(() => document.visibilityState == "hidden", undefined, { polling: 100 });
      },
      async show() {
        await page.bringToFront();
        await page.waitForFunction(() => document.visibilityState == "visible");
      },
      // Measured by the page's own clock.
      dwell: () =>
        page.evaluate(async () => {
          const start = performance.now();
          while (performance.now() - start < 6500) await new Promise((done) => setTimeout(done, 100));
        }),
      beacons,
    });
  } finally {
    await context.close();
  }
}

test("a page that is seen for five seconds is read, once, however often it is hidden and seen again", () =>
  inTab(async ({ article, reads }, { hide, show, dwell, beacons }) => {
    await show();
    await eventually(() => counted(article), [1, 1, 1]);
    await reads.getByText("1").waitFor();
    // The service counts it only once anyway, so look at what was sent.
    await hide();
    await show();
    await hide();
    await show();
    await dwell();
    await hide();
    assert.equal(beacons.length, 1, beacons.join());
  }));

test("a new visitor with several articles in sight is one visitor of each, and a reader of each", async () => {
  const ids = [untouched(), untouched(), untouched()];
  const articles = ids.map((id) => `<article><h2>${id}</h2><reaction-counter article="${id}" track></reaction-counter></article>`);
  const { page } = await own(`<main hidden>${articles.join("")}</main>`, { user: null });
  // First views are of one visitor if they come within the same two seconds of the clock.
  const show = () =>
    page.evaluate(async () => {
      await new Promise((begins) => setTimeout(begins, 2000 - (Date.now() % 2000)));
      /** @type {HTMLElement} */ (document.querySelector("main")).hidden = false;
    });
  await show();
  for (const id of ids) await eventually(() => counted(id), [1, 1, 1]);
  await page.reload();
  await show();
  for (const id of ids) await eventually(() => viewed(id), [2, 1]);
});

test("a visitor who comes back is the same visitor, and a new view", async () => {
  const { article, page } = await open({ user: "" });
  await eventually(() => viewed(article), [1, 1]);
  const [cookie] = await page.context().cookies(`${service()}/v1/`);
  assert.deepEqual([cookie.name, cookie.httpOnly], ["interaction_visitor", true]);
  await page.reload();
  await eventually(() => viewed(article), [2, 1]);
  // The first views from one browser, address and language within two seconds count as one visitor. So change the language.
  const other = await open({ article, user: "", as: { locale: "de-DE" } });
  await eventually(() => viewed(article), [3, 2]);
  await other.page.close();
});

test("a tab that is hidden for more than five seconds is not read; when it is seen, it is", () =>
  inTab(async ({ article }, { hide, show, dwell, beacons }) => {
    await hide();
    await dwell();
    assert.deepEqual([beacons, await counted(article)], [[], [1, 1, 0]]);
    await show();
    await eventually(() => counted(article), [1, 1, 1]);
    await eventually(() => beacons.length, 1);
  }));

test("a page that comes back from the browser's cache is viewed and read again", async () => {
  const cached = await chromium.launch({ ...LAUNCH, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  try {
    const article = untouched();
    const { page } = await open({ article, user: "", context: await cached.newContext() });
    await eventually(() => viewed(article), [1, 1]);
    await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (document.title = `persisted ${persisted}`)));
    await page.goto(new URL("/src/index.js", page.url()).href);
    const beacon = page.waitForRequest("**/reads");
    await page.goBack({ waitUntil: "commit" });
    await page.waitForFunction(() => document.title == "persisted true", undefined, { timeout: PATIENCE });
    await eventually(() => viewed(article), [2, 1]);
    await beacon;
  } finally {
    await cached.close();
  }
});

test("a read of a signed-in user carries no token, and counts", async () => {
  const { article, page } = await open();
  const read = await page.waitForRequest("**/reads");
  assert.equal(await read.headerValue("Authorization"), null);
  await eventually(() => counted(article), [1, 1, 1]);
});
