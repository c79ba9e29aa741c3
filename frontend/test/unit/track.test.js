import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { answer, beacons, clear, drive, happens, hide, log, pass, prepare, sent, underWay } from "./world.js";
const { article, configure, track } = await import("../../src/index.js");

let next = 2000;
/** @type {string} */
let id;
/** @type {(() => void)[]} */
let ends;

beforeEach(() => {
  id = `${next++}`;
  ends = [];
  configure({ base: "https://api.example", refresh: 0, token: () => null });
});

afterEach(async () => {
  for (const end of ends) end();
  await pass(1);
  await clear();
});

async function shown() {
  ends.push(track(id));
  await pass(0);
}

const viewed = (token = "a token") =>
  answer("POST views", 200, { article_id: id, pv: 1, uv: 1, view_token: token, read_after_seconds: 5 });
const problem = (/** @type {string} */ name) => ({ type: `/v1/problems/${name}` });
const views = () => log.filter((line) => line.endsWith(`/${id}/views`)).length;
const tokens = () => beacons.map(({ body }) => body.view_token);

test("a view is reported once, and a read once it was seen for five seconds", async () => {
  await shown();
  await viewed();
  await pass(4999);
  assert.deepEqual(beacons, []);
  await pass(1);
  assert.deepEqual(beacons, [{ url: `https://api.example/v1/articles/${id}/reads`, body: { view_token: "a token" } }]);
  await hide(true);
  await hide(false);
  await pass(60_000);
  assert.deepEqual([tokens(), views()], [["a token"], 1]);
});

test("the view's answer is shown without asking again", async () => {
  await shown();
  await viewed();
  await pass(1000);
  assert.deepEqual([article(id).counters.pv, log.length], [1, 1]);
});

test("time in the background does not count, time before and after it does", async () => {
  await shown();
  await viewed();
  await pass(3000);
  await hide(true);
  await pass(60_000);
  assert.deepEqual(beacons, []);
  await hide(false);
  await pass(1999);
  assert.deepEqual(beacons, []);
  await pass(1);
  assert.deepEqual(tokens(), ["a token"]);
});

test("a page that is opened in the background is viewed when it is seen", async () => {
  await hide(true);
  await shown();
  await pass(10_000);
  assert.equal(views(), 0);
  await hide(false);
  assert.deepEqual(underWay(id), ["POST views"]);
});

test("a page that is prerendered is viewed when it is shown", async () => {
  await prepare(true);
  await shown();
  await pass(10_000);
  assert.equal(views(), 0);
  await prepare(false);
  assert.deepEqual(underWay(id), ["POST views"]);
});

test("a page that a program drives counts nothing", async () => {
  drive(true);
  await shown();
  await pass(10_000);
  assert.equal(views(), 0);
});

test("a view that was not counted is not read", async () => {
  await shown();
  await answer("POST views", 200, { article_id: id, pv: 3, uv: 1, view_token: null, read_after_seconds: 5 });
  await pass(10_000);
  assert.deepEqual([article(id).counters.pv, beacons], [3, []]);
});

test("the view of a visitor who has not consented says so", async () => {
  await shown();
  assert.equal(sent[0].body, undefined);
  configure({ consent: false });
  id = `${next++}`;
  await shown();
  assert.deepEqual(sent.at(-1)?.body, { consent: false });
  configure({ consent: true });
});

test("time before the view was answered does not count", async () => {
  await shown();
  await pass(4000);
  await viewed();
  await pass(4999);
  assert.deepEqual(beacons, []);
});

test("several elements of one article are one view and one read", async () => {
  await shown();
  await shown();
  await viewed();
  ends.pop()?.();
  await pass(5000);
  assert.deepEqual([views(), tokens()], [1, ["a token"]]);
});

test("moving an element is not a second view", async () => {
  await shown();
  await viewed();
  ends.pop()?.();
  await shown();
  await pass(5000);
  assert.deepEqual([views(), tokens()], [1, ["a token"]]);
});

test("an element that was removed is not read, and showing it again is a second view", async () => {
  await shown();
  await viewed();
  await pass(4000);
  ends.pop()?.();
  await pass(10_000);
  assert.deepEqual(beacons, []);
  await shown();
  await viewed("another");
  await pass(5000);
  assert.deepEqual([views(), tokens()], [2, ["another"]]);
});

test("an element that was removed before its view was answered is not read", async () => {
  await shown();
  ends.pop()?.();
  await pass(1);
  await viewed();
  await pass(10_000);
  assert.deepEqual(beacons, []);
});

test("a page that comes back from the browser's cache is a second view", async () => {
  await shown();
  await viewed();
  await pass(5000);
  await hide(true);
  await pass(60_000);
  await hide(false);
  await happens("pageshow", { persisted: true });
  await viewed("another");
  await pass(5000);
  assert.deepEqual([views(), tokens()], [2, ["a token", "another"]]);
});

test("if a page reports two views, the answer to the later one counts", async () => {
  await shown();
  await happens("pageshow", { persisted: true });
  const [first] = sent.splice(sent.findIndex(({ path }) => path.endsWith("views")), 1);
  await viewed("later");
  first.resolve(new Response(JSON.stringify({ view_token: "earlier", read_after_seconds: 5 })));
  await pass(5000);
  assert.deepEqual(tokens(), ["later"]);
});

test("a view that was not counted is sent again, three times at most", async () => {
  await shown();
  for (const name of ["not-warm", "rate-limited", "backlogged", "not-warm"]) {
    await answer("POST views", name == "rate-limited" ? 429 : 503, problem(name), { "Retry-After": "1" });
    await pass(3000);
  }
  assert.deepEqual([views(), underWay(id)], [4, []]);
});

test("a view that may have been counted is not sent again", async () => {
  await shown();
  await answer("POST views", 503, problem("store-unavailable"), { "Retry-After": "1" });
  await pass(60_000);
  await hide(true);
  await hide(false);
  assert.equal(views(), 1);
});

test("a view that got no answer is not sent again", async () => {
  await shown();
  await answer("POST views", 0);
  await pass(60_000);
  assert.equal(views(), 1);
});
