// What may depend on the browser: each test in Chromium and in Firefox.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { firefox } from "./gecko.js";
import { button, HEAR, heard, own, refuse, SIGNED_IN } from "./own.js";
import { state } from "./page.js";
import { eventually, interactions, rows, service, test, untouched } from "./stack.js";

/**
 * A test with a page in each of them, side by side.
 *
 * @param {string} name
 * @param {(own: typeof import("./own.js").own) => Promise<unknown>} run
 */
const both = (name, run) =>
  describe(name, { concurrency: true }, () => {
    for (const [browser, context] of Object.entries({ chromium: undefined, firefox }))
      test(browser, async () => {
        /** @type {{ close(): Promise<void> }[]} */
        const pages = [];
        await run(async (body, options) => {
          const opened = await own(body, { context, ...options });
          pages.push(opened.page);
          return opened;
        });
        for (const page of pages) await page.close();
      });
  });

both("options that change while a like is sent again change nothing about the like", async (own) => {
  const article = untouched();
  const { page, user } = await own(`<reaction-button article=${article}></reaction-button>`, {
    before: (page) => refuse(page, "**/like", 503, 1),
  });
  const refused = page.waitForResponse((response) => response.url().endsWith("/like") && response.status() == 503);
  await button(page).click();
  await refused;
  await page.evaluate(() => /** @type {any} */ (window).module.configure({ texts: { failed: "No." } }));
  await eventually(() => rows(article), [[user, "1"]]);
  assert.deepEqual(await state(button(page)), ["true", "1"]);
});

both("a like that another user's coming has dropped is no success", async (own) => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article}></reaction-button>`, {
    script: SIGNED_IN + HEAR,
    before: (page) => refuse(page, "**/like", 503),
  });
  const refused = page.waitForResponse((response) => response.url().endsWith("/like") && response.status() == 503);
  await button(page).click();
  await refused;
  await page.evaluate(() => /** @type {any} */ (window).module.changeUser());
  await eventually(() => heard(page), [["interaction-error", article, "like", null, null, null]]);
  assert.deepEqual([await rows(article), await state(button(page))], [[], ["false", "0"]]);
});

both("however many requests an expired token is refused to, one new one is asked for, and all are sent again", async (own) => {
  const articles = [untouched(), untouched(), untouched()];
  const { page, requests } = await own(articles.map((id) => `<reaction-button article=${id}></reaction-button>`).join(""), {
    script: `window.asked = 0; const renewal = new Promise((done) => (window.renew = done));
      module.configure({ refresh: 0, token: (refused) => (refused ? (window.asked++, renewal) : token + "x") });
      for (const { shadowRoot } of document.querySelectorAll("reaction-button")) shadowRoot.querySelector("button").click();
      window.renewed = () => renew(token);`,
  });
  await eventually(() => requests.filter((request) => request.method() == "PUT").length, articles.length);
  await page.evaluate(() => /** @type {any} */ (window).renewed());
  for (const id of articles) await eventually(() => rows(id).length, 1);
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).asked), 1);
});

both("the page chooses the names of the elements, and hears of a name that is taken", async (own) => {
  const article = untouched();
  const { page, said } = await own(`<acme-button article=${article}></acme-button><reaction-button></reaction-button>`, {
    head: `<script>customElements.define("reaction-button", class extends HTMLElement {});</script>`,
    tag: `data-base="${service()}" data-prefix=acme`,
    script: `${SIGNED_IN} module.define(); module.define({ prefix: "acme" });`,
  });
  await page.locator("acme-button").getByRole("button").click();
  await eventually(() => rows(article).length, 1);
  assert.equal(said.filter((text) => text.includes("<reaction-button> is another script's")).length, 1, said.join());
  assert.equal(said.filter((text) => text.includes("acme")).length, 0);
});

both("the page's own icon and label are drawn, and of its plurals the one that fits", async (own) => {
  const article = untouched();
  const { page } = await own(
    `<reaction-button article=${article}><b slot=icon>!</b>Applaud</reaction-button>
     <reaction-counter article=${article} show=likes>likes<i slot=one>like</i></reaction-counter>`,
  );
  const drawn = () =>
    page.evaluate(() => {
      const [button, counter] = document.querySelectorAll("reaction-button, reaction-counter");
      const icon = button.shadowRoot?.querySelector("svg");
      const places = [icon, button.firstChild, button.lastChild, counter.firstChild, counter.lastChild];
      return places.map((place) => {
        const range = document.createRange();
        range.selectNodeContents(/** @type {Node} */ (place));
        return range.getBoundingClientRect().width > 0;
      });
    });
  await eventually(() => state(button(page)), ["false", "0"]);
  assert.deepEqual(await drawn(), [false, true, true, true, false]);
  await button(page).click();
  await eventually(drawn, [false, true, true, false, true]);
});

both("a read that has not got through when the page is left goes by beacon", async (own) => {
  const article = untouched();
  const { page } = await own(`<reaction-counter article=${article} track></reaction-counter>`, {
    user: null,
    before: (page) => page.addInitScript(withoutReads),
  });
  await eventually(() => page.evaluate(() => /** @type {any} */ (window).tried > 0), true);
  assert.equal((await interactions(article)).reads, 0);
  await page.goto(new URL("/src/kinds.js", page.url()).href);
  await eventually(async () => (await interactions(article)).reads, 1);
});

/** In the page: a network that lets no read through that waits for its answer. */
function withoutReads() {
  const page = /** @type {any} */ (window);
  const send = page.fetch;
  page.tried = 0;
  page.fetch = async (/** @type {string} */ url, /** @type {object} */ options) => {
    if (!url.endsWith("/reads")) return send(url, options);
    page.tried++;
    throw new TypeError("no network");
  };
}

both("an article below the window, hidden, or in a closed <details> is not viewed until it is in sight", async (own) => {
  const ids = [untouched(), untouched(), untouched(), untouched()];
  const [below, hidden, closed, seen] = ids.map(
    (id) => `<article><h2>${id}</h2><reaction-counter article=${id} track></reaction-counter></article>`,
  );
  const { page, requests } = await own(
    `${seen}<div hidden>${hidden}</div><details><summary>More</summary>${closed}</details><div style="height:3000px"></div>${below}`,
    { user: null },
  );
  const views = () => requests.filter((request) => request.url().endsWith("/views")).map((request) => request.url().split("/").at(-2));
  await eventually(async () => (await interactions(ids[3])).reads, 1);
  assert.deepEqual(views(), [ids[3]], "five seconds later, too");
  await page.evaluate(() => {
    document.querySelector("body > article:last-of-type")?.scrollIntoView();
    document.querySelector("summary")?.click();
    document.querySelector("[hidden]")?.removeAttribute("hidden");
  });
  await eventually(async () => (await interactions(ids[0])).pv, 1);
  await page.evaluate(() => scrollTo(0, 0));
  for (const id of ids) await eventually(async () => (await interactions(id)).pv, 1);
});

both("of a thousand buttons, those near the window are asked for, once each, by hundreds", async (own) => {
  const first = Math.floor(Math.random() * 1e9) * 10_000;
  const all = Array.from({ length: 1000 }, (_, index) => `${first + 1000 + index}`);
  const { page, requests } = await own(
    all.map((id) => `<p><reaction-button article=${id}></reaction-button></p>`).join(""),
    { user: null, script: "module.configure({ refresh: 0 });" },
  );
  const asked = () => requests.flatMap((request) => new URL(request.url()).searchParams.get("article_ids")?.split(",") ?? []);
  await eventually(() => state(button(page, 5)), ["false", "0"]);
  const few = asked().length;
  assert.ok(few >= 10 && few < 60, `${few} of 1000`);
  await page.evaluate(async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
      scrollTo(0, y);
      await new Promise(requestAnimationFrame);
    }
    scrollTo(0, 0);
  });
  await eventually(() => asked().length, 1000);
  assert.deepEqual([...asked()].sort(), all);
  const sent = requests.filter((request) => request.url().includes("article_ids")).length;
  assert.ok(sent < 100, `${sent} requests`);
});
