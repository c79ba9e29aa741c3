import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { answer, clear, connect, log, outcome, pass, settle, underWay } from "./world.js";
const { article, configure, refresh, watch } = await import("../../src/index.js");

let next = 1000;
/** @type {string} */
let id;
/** @type {string | null} */
let user;
/** @type {boolean[]} */
let asked;
let unwatch = () => {};

beforeEach(() => {
  id = `${next++}`;
  user = "ada";
  asked = [];
  configure({ base: "", refresh: 0, token: (refused) => (asked.push(refused), user) });
});

afterEach(async () => {
  unwatch();
  await clear();
});

async function watched() {
  unwatch = watch(id, () => {});
  await pass(1);
}

const like = () => article(id).like;
const press = (/** @type {boolean} */ on, toggle = like()) => outcome(toggle.set(on));
const liked = (/** @type {boolean} */ on, /** @type {number} */ likes) => ({ article_id: id, liked: on, likes });
const problem = (/** @type {string} */ name) => ({ type: `/v1/problems/${name}`, title: name });
const nothing = { likes: 0, collects: 0, pv: 0, uv: 0, reads: 0, liked: false, collected: false, stale: false };
const item = (/** @type {object} */ values) => ({
  items: [{ article_id: id, ...nothing, ...values }],
});

test("an intent is shown before the service has said a word, and then what the service says", async () => {
  const end = press(true);
  assert.equal(like().pressed, true);
  assert.equal(await answer("PUT like", 200, liked(true, 5)), "ada");
  assert.equal(end.state, "done");
  assert.deepEqual([like().pressed, like().count, like().busy], [true, 5, false]);
  press(false);
  assert.deepEqual([like().pressed, like().count], [false, 4]);
  await answer("DELETE like", 200, liked(false, 7));
  assert.deepEqual([like().pressed, like().count], [false, 7]);
});

test("on and off again before the first is sent sends what holds; off and on meanwhile sends nothing more", async () => {
  press(true);
  await settle();
  press(false);
  press(true);
  assert.deepEqual(underWay(id), ["PUT like"]);
  await answer("PUT like", 200, liked(true, 1));
  await pass(60_000);
  assert.deepEqual(log, [`PUT /v1/articles/${id}/like`]);
});

test("the last intent wins, one request at a time", async () => {
  const end = press(true);
  await settle();
  press(false);
  await pass(3000);
  assert.deepEqual(underWay(id), ["PUT like"], "the second waits for the first");
  assert.equal(like().pressed, false);
  await answer("PUT like", 200, liked(true, 1));
  assert.equal(end.state, "pending");
  assert.deepEqual(underWay(id), ["DELETE like"]);
  await answer("DELETE like", 200, liked(false, 0));
  assert.equal(end.state, "done");
});

for (const status of [429, 503])
  test(`${status} is sent again when Retry-After has passed, and not before`, async () => {
    press(true);
    await answer("PUT like", status, problem("rate-limited"), { "Retry-After": "2" });
    await pass(1999);
    assert.deepEqual(underWay(id), []);
    assert.equal(like().pressed, true, "meanwhile it stays as it was wanted");
    await pass(1);
    await answer("PUT like", 200, liked(true, 1));
    assert.equal(like().count, 1);
  });

test("it is sent four times at most, then it is taken back", async () => {
  const end = press(true);
  for (let time = 0; time < 4; time++) {
    await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
    await pass(3000);
  }
  assert.equal(log.filter((line) => line.startsWith("PUT")).length, 4);
  assert.deepEqual([end.state, end.error?.status, end.error?.type], ["failed", 503, "/v1/problems/not-warm"]);
  assert.equal(like().pressed, false);
});

test("nobody waits a minute for a button", async () => {
  const end = press(true);
  await answer("PUT like", 503, problem("backlogged"), { "Retry-After": "60" });
  assert.equal(end.state, "failed");
});

for (const status of [400, 403, 404])
  test(`${status} is taken back at once and not repeated`, async () => {
    const end = press(true);
    await answer("PUT like", status, problem("barred"));
    assert.deepEqual([end.state, end.error?.status, like().pressed], ["failed", status, false]);
    await pass(60_000);
    assert.equal(log.length, 1);
  });

test("after a network that broke, the opposite is not sent within two seconds", async () => {
  press(true);
  await answer("PUT like", 0);
  press(false);
  await pass(1999);
  assert.deepEqual(underWay(id), []);
  await pass(1);
  assert.deepEqual(underWay(id), ["DELETE like"], "though nothing was ever confirmed, it may have arrived");
});

test("the opposite waits also where the user has seen it fail before", async () => {
  press(true);
  await answer("PUT like", 200, liked(true, 1));
  const end = press(false);
  for (const ms of [500, 1000, 2000, 0]) {
    await answer("DELETE like", 0);
    await pass(ms);
  }
  assert.equal(end.state, "failed");
  assert.equal(like().pressed, true);
  press(true);
  await pass(1999);
  assert.deepEqual(underWay(id), []);
  await pass(1);
  assert.deepEqual(underWay(id), ["PUT like"]);
});

test("the same is sent again after a network that broke", async () => {
  press(true);
  await answer("PUT like", 0);
  await pass(500);
  await answer("PUT like", 200, liked(true, 9));
  assert.deepEqual([like().pressed, like().count, like().busy], [true, 9, false]);
});

test("after giving up in doubt, it is asked what holds, once that is certain", async () => {
  await watched();
  await answer(`GET ${id}`, 200, item({}));
  press(true);
  for (const ms of [500, 1000, 2000, 0]) {
    await answer("PUT like", 0);
    await pass(ms);
  }
  refresh();
  await pass(1);
  await answer(`GET ${id}`, 200, item({ liked: false, likes: 3 }));
  assert.equal(like().count, 0, "an answer of within the two seconds is not believed");
  // Other refreshes are off here.
  await pass(2001);
  await answer(`GET ${id}`, 200, item({ liked: true, likes: 4 }));
  assert.deepEqual([like().pressed, like().count], [true, 4]);
});

test("a query that a change has overtaken says nothing of it", async () => {
  await watched();
  press(true);
  await answer("PUT like", 200, liked(true, 1));
  await answer(`GET ${id}`, 200, item({ liked: false, likes: 0, reads: 8 }));
  assert.deepEqual([like().pressed, like().count, article(id).counters.reads], [true, 1, 8]);
});

test("an old answer is believed less than the answer to one's own like", async () => {
  await watched();
  await answer(`GET ${id}`, 200, item({ likes: 3, stale: true }));
  assert.equal(like().count, 3, "it is better than none");
  press(true);
  await answer("PUT like", 200, liked(true, 9));
  await pass(10);
  refresh();
  await pass(1);
  await answer(`GET ${id}`, 200, item({ likes: 3, liked: false, stale: true }));
  assert.deepEqual([like().pressed, like().count], [true, 9]);
});

test("a visitor's click is not sent", async () => {
  user = null;
  const end = press(true);
  await settle();
  assert.deepEqual([end.state, end.error?.status, like().pressed, log.length], ["failed", 401, false, 0]);
});

test("a refused token is asked for again, once", async () => {
  const end = press(true);
  await answer("PUT like", 401, problem("token-invalid"));
  user = "ada's new one";
  assert.deepEqual(asked.slice(-2), [false, true]);
  await answer("PUT like", 401, problem("token-invalid"));
  assert.deepEqual([end.state, end.error?.status, like().pressed], ["failed", 401, false]);
});

test("what one user began is not sent with another's token, and not shown to them", async () => {
  const before = like();
  press(true, before);
  await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
  user = "bob";
  configure();
  assert.equal(before.pressed, true);
  assert.equal(like().pressed, false);
  await pass(60_000);
  assert.deepEqual(underWay(id), []);

  press(true);
  await settle();
  configure();
  await answer("PUT like", 200, liked(true, 9));
  assert.deepEqual([like().pressed, like().count], [false, null]);
});

test("a 401 that comes after the user has changed is not repeated with the new token", async () => {
  press(true);
  await settle();
  user = "bob";
  configure();
  await answer("PUT like", 401, problem("token-invalid"));
  await pass(10_000);
  assert.deepEqual(underWay(id), []);
});

test("offline it is tried once, and the last intent is sent when the network is back", async () => {
  await connect(false);
  const end = press(true);
  await answer("PUT like", 0);
  press(false);
  press(true);
  await pass(60_000);
  assert.deepEqual([log.length, end.state, like().pressed], [1, "pending", true]);
  await connect(true);
  await answer("PUT like", 200, liked(true, 1));
  assert.equal(end.state, "done");
});

test("a browser that is wrong about being offline does not matter", async () => {
  await connect(false);
  press(true);
  await answer("PUT like", 200, liked(true, 1));
  assert.deepEqual([like().pressed, like().busy], [true, false]);
});

test("likes and favourites of one article go side by side", async () => {
  press(true);
  press(true, article(id).collect);
  await settle();
  assert.deepEqual(underWay(id), ["PUT like", "PUT collect"]);
  await answer("PUT collect", 200, { article_id: id, collected: true, collects: 2 });
  assert.deepEqual([article(id).collect.pressed, article(id).collect.count], [true, 2]);
});
