// Many elements, for a long time, in many languages.
import assert from "node:assert/strict";
import { state } from "./page.js";
import { button, own } from "./own.js";
import { eventually, test, untouched } from "./stack.js";

/** @typedef {import("playwright-core").Page} Page */

test("of a thousand buttons, those near the window are asked for, once each, by hundreds", async () => {
  const first = (Date.now() % 1e9) * 10_000;
  const all = Array.from({ length: 1000 }, (_, index) => `${first + index}`);
  const { page, requests } = await own(
    all.map((id) => `<p><reaction-button article=${id}></reaction-button></p>`).join(""),
    { user: null, script: "module.configure({ refresh: 0 });" },
  );
  const asked = () => requests.flatMap((request) => new URL(request.url()).searchParams.get("article_ids")?.split(",") ?? []);
  await eventually(() => state(button(page, 5)), ["false", "0"]);
  const few = asked().length;
  assert.ok(few >= 10 && few < 60, `${few} of 1000`);
  for (let y = 0; await page.evaluate((y) => (scrollTo(0, y), y < document.documentElement.scrollHeight), y); y += 400)
    await page.evaluate(() => new Promise(requestAnimationFrame));
  await page.evaluate(() => scrollTo(0, 0));
  await eventually(() => asked().length, 1000);
  assert.deepEqual([...asked()].sort(), all);
  const sent = requests.filter((request) => request.url().includes("article_ids")).length;
  assert.ok(sent < 100, `${sent} requests`);
});

test("a page that nobody touches asks ever more rarely, and at last not at all", async () => {
  const article = untouched();
  const { page, requests } = await own(`<reaction-counter article=${article}></reaction-counter>`, {
    user: null,
    script: "",
    before: async (page) => {
      await page.clock.install();
      await page.addInitScript(counted);
    },
  });
  await page.locator("reaction-counter").getByText("0").waitFor();
  /** In steps that are shorter than the module waits for an answer. @param {number} minutes */
  const idle = async (minutes) => {
    for (let ms = 0; ms < minutes * 60_000; ms += 4000) {
      await page.clock.runFor(4000);
      await eventually(() => page.evaluate(() => /** @type {any} */ (window).underWay), 0);
    }
  };
  await idle(20);
  const asked = requests.length;
  assert.equal(asked, 6, "in twenty minutes");
  await idle(20);
  assert.equal(requests.length, asked);
  await page.mouse.move(50, 50);
  await page.mouse.move(60, 60);
  await page.clock.runFor(1000);
  await eventually(() => requests.length, asked + 1);
});

/** In the page: counts its requests that have no whole answer yet. The browser's own events of their ends may be missing. */
function counted() {
  const page = /** @type {any} */ (window);
  const send = page.fetch;
  page.underWay = 0;
  page.fetch = async (/** @type {any[]} */ ...request) => {
    page.underWay++;
    try {
      const answer = await send(...request);
      return new Response(answer.body && (await answer.arrayBuffer()), answer);
    } finally {
      page.underWay--;
    }
  };
}

/** Answers queries with these counters. @param {Page} page @param {object} counters */
const answered = (page, counters) =>
  page.route("**/interactions?*", async (route) => {
    const response = await route.fetch();
    const { items } = await response.json();
    return route.fulfill({ response, json: { items: items.map((/** @type {any} */ item) => ({ ...item, ...counters })) } });
  });

test("numbers and words are those of the page's language, not of the browser's", async () => {
  const shown = (/** @type {number} */ likes) => async (/** @type {Page} */ page) => answered(page, { likes, pv: likes });
  const body = (/** @type {string} */ lang) => `<div lang=${lang}><reaction-button article=${untouched()}>Like</reaction-button>
    <reaction-counter article=${untouched()} show=pv>views<span slot=one>view</span><span slot=few>few</span></reaction-counter></div>`;
  for (const [lang, likes, short, full, counter] of /** @type {const} */ ([
    ["en", 1, "1", "1", "1 view"],
    ["en", 1999, "1.9K", "1,999", "1.9K views"],
    ["de", 1_999_999, "1,9 Mio.", "1.999.999", "1,9 Mio. views"],
    ["pl", 3, "3", "3", "3 few"],
    ["zh", 12_345, "1.2万", "12,345", "1.2万 views"],
    ["not_a_language", 2, "2", "2", "2 views"],
  ])) {
    const { page } = await own(body(lang), { as: { locale: "fr-FR" }, before: shown(likes) });
    await eventually(async () => (await state(button(page)))[1].replace(/\s/g, " "), short);
    // As it is drawn and read out: forms that are not used are not.
    const drawn = (await page.locator("body").ariaSnapshot()).replace(/\s+/g, " ");
    assert.ok(drawn.includes(`button "Like ${full}"`) && drawn.endsWith(counter), `${lang}: ${drawn}`);
  }
});

