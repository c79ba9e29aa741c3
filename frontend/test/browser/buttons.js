import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { open, state } from "./page.js";
import { browser, eventually, interactions, newcomer, redis, sql, untouched } from "./stack.js";

const row = (/** @type {string} */ article) => sql(`SELECT user_id, status FROM user_like WHERE article_id = ${article}`);

test("a click counts at once, in the service, and as a row in MySQL", async () => {
  const { article, user, like, likes, page } = await open();
  assert.deepEqual(await likes(), ["false", "0"]);
  await like.click();
  assert.deepEqual(await likes(), ["true", "1"], "without waiting for the service");
  await eventually(() => row(article), [[user, "1"]]);
  assert.equal((await interactions(article)).likes, 1);
  await page.reload();
  await eventually(likes, ["true", "1"]);
  await like.click();
  await eventually(() => row(article), [[user, "0"]]);
  assert.deepEqual(await likes(), ["false", "0"]);
});

test("the built module does the same as its source", async () => {
  const context = await browser.newContext();
  const built = readFileSync(new URL("../../dist/interaction.js", import.meta.url), "utf8");
  await context.route("**/src/index.js", (route) => route.fulfill({ contentType: "text/javascript", body: built }));
  const { article, user, like, likes, save, page, reads } = await open({ context });
  await like.click();
  await save.click();
  await eventually(() => row(article), [[user, "1"]]);
  await eventually(() => state(save), ["true", "1"]);
  await eventually(() => reads.textContent().then((text) => text?.trim()), "reads");
  await page.reload();
  await eventually(likes, ["true", "1"]);
});

test("a favourite counts, and is a row in MySQL", async () => {
  const { article, user, save } = await open();
  await save.click();
  assert.deepEqual(await state(save), ["true", "1"]);
  await eventually(() => sql(`SELECT user_id FROM user_collect WHERE article_id = ${article}`), [[user]]);
  await save.click();
  await eventually(() => sql(`SELECT user_id FROM user_collect WHERE article_id = ${article}`), []);
});

test("of a double click the last holds", async () => {
  const { article, like, likes } = await open();
  await like.dblclick();
  await eventually(async () => (await interactions(article)).likes, 0);
  await eventually(likes, ["false", "0"]);
  await like.click({ clickCount: 3 });
  await eventually(async () => (await interactions(article)).likes, 1);
  await eventually(likes, ["true", "1"]);
});

test("two tabs of one user are one like, and each comes to see it", async () => {
  const context = await browser.newContext();
  const [article, user] = [untouched(), newcomer()];
  const first = await open({ article, user, context });
  const second = await open({ article, user, context });
  // At the same time, neither knowing of the other.
  await Promise.all([first.like.click(), second.like.click()]);
  await eventually(() => row(article), [[user, "1"]]);
  for (const { likes } of [first, second]) await eventually(likes, ["true", "1"]);
  await first.like.click();
  await eventually(second.likes, ["false", "0"]);
});

test("offline a click waits, and is sent when the network is back", async () => {
  const { article, page, like, likes, status, changes } = await open();
  await page.context().setOffline(true);
  await like.click();
  assert.deepEqual(await likes(), ["true", "1"]);
  await status.getByText("Offline").waitFor();
  await like.click();
  await like.click();
  const before = changes.length;
  await page.context().setOffline(false);
  await eventually(async () => (await interactions(article)).likes, 1);
  await eventually(() => status.textContent(), "");
  assert.deepEqual([changes.slice(before), await likes()], [["PUT like"], ["true", "1"]]);
});

test("an error of the service takes the click back and says so", async () => {
  const { page, article, like, likes, status } = await open();
  await page.route("**/like", (route) => route.fulfill({ status: 500, headers: allow(route), body: "{}" }));
  await like.click();
  assert.deepEqual(await likes(), ["true", "1"]);
  await status.getByText("Not saved. Try again.").waitFor();
  assert.deepEqual(await likes(), ["false", "0"]);
  await page.unroute("**/like");
  await like.click();
  await eventually(() => row(article).map(([, status]) => status), ["1"]);
  assert.equal(await status.textContent(), "", "what was said is over");
});

test("a 503 is sent again after Retry-After", async () => {
  const { page, article, like, likes } = await open();
  /** @type {number[]} */
  const times = [];
  await page.route("**/like", (route) => {
    times.push(Date.now());
    const body = JSON.stringify({ type: "/v1/problems/not-warm", title: "Temporarily unavailable", status: 503 });
    if (times.length > 1) return route.continue();
    return route.fulfill({ status: 503, headers: { ...allow(route), "Retry-After": "1" }, body });
  });
  await like.click();
  await eventually(async () => (await interactions(article)).likes, 1);
  assert.deepEqual([times.length, await likes()], [2, ["true", "1"]]);
  assert.ok(times[1] - times[0] >= 1000, `after ${times[1] - times[0]} ms`);
});

test("a visitor is told to sign in, and so is who has a token that expired", async () => {
  for (const user of ["", "expired"]) {
    const { page, article, like, status, again } = await open({ user: newcomer() });
    await page.getByLabel("Signed in as").selectOption(user);
    await like.click();
    await status.getByText("Sign in first.").waitFor();
    for (const button of [like, again]) assert.equal(await button.getAttribute("aria-pressed"), "false");
    assert.equal((await interactions(article)).likes, 0);
  }
});

test("a barred user is told so", async () => {
  const user = newcomer();
  const everywhere = "for p = 0, 127 do redis.call('SADD', '{' .. p .. '}:barred', ARGV[1]) end";
  redis("EVAL", everywhere, "0", user);
  const { article, like, likes, status } = await open({ user });
  await like.click();
  await status.getByText("Not allowed.").waitFor();
  assert.deepEqual([await likes(), (await interactions(article)).likes], [["false", "0"], 0]);
});

test("when another user signs in, the buttons are theirs", async () => {
  const [ada, bob] = [newcomer(), newcomer()];
  const { page, article, like, likes } = await open({ user: ada });
  await like.click();
  await eventually(() => row(article), [[ada, "1"]]);
  await page.evaluate((user) => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelector("#user"));
    select.add(new Option(user, user));
  }, bob);
  await page.getByLabel("Signed in as").selectOption(bob);
  await eventually(likes, ["false", "1"]);
  await like.click();
  await eventually(() => row(article).length, 2);
  await page.getByLabel("Signed in as").selectOption(ada);
  await eventually(likes, ["true", "2"]);
});

test("elements of one article show one state, and one that is gone does no harm", async () => {
  const { page, article, like, again, user } = await open();
  await like.click();
  assert.deepEqual(await state(again), ["true", "1"]);
  await again.click();
  assert.deepEqual(await state(like), ["false", "0"]);
  await eventually(() => row(article), [[user, "0"]]);
  await like.click();
  await page.locator("main article like-button").evaluate((element) => element.remove());
  await eventually(() => row(article), [[user, "1"]]);
  assert.deepEqual(await state(again), ["true", "1"]);
});

/** What the service says to a page of another origin, errors included. @param {import("playwright-core").Route} route */
const allow = (route) => ({
  "Access-Control-Allow-Origin": new URL(route.request().frame().url()).origin,
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Expose-Headers": "Retry-After",
  "Content-Type": "application/problem+json",
});
