import assert from "node:assert/strict";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { open } from "./page.js";
import { eventually, interactions, LAUNCH, PATIENCE, service, untouched } from "./stack.js";

/** @param {string} article */
const counted = async (article) => {
  const { pv, uv, reads } = await interactions(article);
  return [pv, uv, reads];
};

// Without the reads: on a slow machine the five seconds may be over before one looks.
const viewed = async (/** @type {string} */ article) => (await counted(article)).slice(0, 2);

test("a page that is seen for five seconds is read, once", async () => {
  const { article, page, reads } = await open({ user: "" });
  const beacon = page.waitForRequest("**/reads");
  await beacon;
  await eventually(() => counted(article), [1, 1, 1]);
  await reads.getByText("1").waitFor();
});

test("a visitor who comes back is the same visitor, and a new view", async () => {
  const { article, page } = await open({ user: "" });
  await eventually(() => viewed(article), [1, 1]);
  const [cookie] = await page.context().cookies(`${service()}/v1/`);
  assert.deepEqual([cookie.name, cookie.httpOnly], ["interaction_visitor", true]);
  await page.reload();
  await eventually(() => viewed(article), [2, 1]);
  const other = await open({ article, user: "" });
  await eventually(() => viewed(article), [3, 2]);
  await other.page.close();
});

test("a tab that was hidden for more than five seconds is not read, and once seen it is", async () => {
  // Tabs of one window, where the one behind is really hidden. Playwright has every page believe that it is in front; only
  // from within can that be turned off.
  const context = await chromium.launchPersistentContext("", LAUNCH);
  try {
    const shown = await open({ context, user: "" });
    const { article, page } = shown;
    await eventually(() => viewed(article), [1, 1]);
    const inside = /** @type {any} */ (chromium)._connection.toImpl(page).delegate._mainFrameSession._client;
    await inside.send("Emulation.setFocusEmulationEnabled", { enabled: false });
    /** @type {string[]} */
    const beacons = [];
    page.on("request", (request) => request.url().endsWith("/reads") && beacons.push(request.url()));

    const [other] = context.pages();
    await other.bringToFront();
    await page.waitForFunction(() => document.visibilityState == "hidden", undefined, { polling: 100 });
    // The page's own clock says when the time is over that would have made it a read.
    await page.evaluate(async () => {
      const start = performance.now();
      while (performance.now() - start < 6500) await new Promise((done) => setTimeout(done, 100));
    });
    assert.deepEqual([beacons, await counted(article)], [[], [1, 1, 0]]);

    await page.bringToFront();
    await page.waitForFunction(() => document.visibilityState == "visible");
    await eventually(() => counted(article), [1, 1, 1]);
    await eventually(() => beacons.length, 1);
  } finally {
    await context.close();
  }
});

test("a page that comes back from the browser's cache is viewed and read anew", async () => {
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

test("a view of a signed-in user is read by a beacon that carries no token", async () => {
  const { article, page } = await open();
  await page.waitForRequest("**/reads");
  await eventually(() => counted(article), [1, 1, 1]);
});
