// What counts as a view and as a read.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { HEAR, heard, own, refuse } from "./own.js";
import { eventually, interactions, service, test, untouched } from "./stack.js";

// Side by side, because they wait for five seconds each.
describe("what is counted", { concurrency: true }, () => {
  test("an article below the window, hidden, or in a closed <details> is not viewed until it is in sight", async () => {
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
    await page.locator("article").last().scrollIntoViewIfNeeded();
    await page.getByText("More").click();
    await page.evaluate(() => document.querySelector("[hidden]")?.removeAttribute("hidden"));
    for (const id of ids) await eventually(async () => (await interactions(id)).pv, 1);
  });

  test("an article that is higher than the window is viewed, though half of it never fits", async () => {
    const article = untouched();
    await own(`<article style="height:20000px"><reaction-counter article=${article} track></reaction-counter></article>`, { user: null });
    await eventually(async () => (await interactions(article)).reads, 1);
  });

  test("a read that meets a 503 is handed in again, in a browser without beacons too", async () => {
    const article = untouched();
    const { page } = await own(`<reaction-counter article=${article} track></reaction-counter>`, {
      user: null,
      script: HEAR,
      before: async (page) => {
        await refuse(page, "**/reads", 503, 2);
        await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "sendBeacon"));
      },
    });
    await page.locator("reaction-counter").getByText("1").waitFor();
    assert.equal((await interactions(article)).reads, 1);
    await eventually(() => heard(page), [["interaction-read", article, null, null, null, null]]);
  });

  test("a read that has not got through when the page is left goes by beacon", async () => {
    const article = untouched();
    const { page, requests } = await own(`<reaction-counter article=${article} track></reaction-counter>`, { user: null });
    await page.route("**/reads", (route) => (route.request().resourceType() == "ping" ? route.continue() : route.abort()));
    await eventually(() => requests.some((request) => request.url().endsWith("/reads")), true);
    await page.goto(new URL("/src/kinds.js", page.url()).href);
    await eventually(async () => (await interactions(article)).reads, 1);
  });

  test("if the service is another site, one visitor is one visitor", async () => {
    const article = untouched();
    // Of another site than 127.0.0.1, where the service is.
    const origin = "http://localhost:3000";
    const body = `<reaction-counter article=${article} track></reaction-counter>`;
    const { page } = await own(body, { user: null, origin });
    await eventually(async () => (await interactions(article)).pv, 1);
    await page.evaluate(() => new Promise((done) => setTimeout(done, 2100)));
    await page.reload();
    await eventually(async () => (await interactions(article)).pv, 2);
    assert.equal((await interactions(article)).uv, 1);
  });

  test("without the cookie nothing is left on the device; without consent, or in a browser that is excluded, nothing is counted", async () => {
    for (const [visitors, ignored, views, cookies] of /** @type {const} */ ([
      ["cookie", false, 1, 1],
      ["cookieless", false, 1, 0],
      ["none", false, 0, 0],
      ["cookie", true, 0, 0],
    ])) {
      const article = untouched();
      const { page, requests } = await own(`<article><reaction-counter article=${article} track></reaction-counter></article>`, {
        user: null,
        tag: `data-base="${service()}" data-visitors="${visitors}"`,
        script: "",
        before: (page) => page.addInitScript((ignored) => ignored && localStorage.setItem("interaction-ignore", "true"), ignored),
      });
      // Known, and in sight: what is to be counted has been sent by now.
      await page.locator("reaction-counter").getByText("0").waitFor();
      await eventually(async () => (await interactions(article)).pv, views);
      const sent = requests.filter((request) => request.url().endsWith("/views")).length;
      const left = (await page.context().cookies(`${service()}/v1/`)).length;
      assert.deepEqual([sent, left], [views, cookies], `${visitors} ${ignored}`);
    }
  });
});
