import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { answer, beacon, beacons, clear, drive, happens, hide, log, pass, prepare, sent, underWay } from "./world.js";
const { article, configure, track } = await import("../../src/index.js");

let next = 2000;
/** @type {string} */
let id;
/** @type {(() => void)[]} */
let ends;

beforeEach(() => {
  id = `${next++}`;
  ends = [];
  configure({ base: "https://api.example", refresh: 0, token: () => null, visitors: "cookie", seconds: 5 });
});

afterEach(async () => {
  for (const end of ends) end();
  await pass(1);
  await clear();
});

/** @param {EventTarget} [element] */
async function shown(element = new EventTarget()) {
  ends.push(track(id, /** @type {Element} */ (element)));
  await pass(0);
}

const viewed = (token = "a token") =>
  answer("POST views", 200, { article_id: id, pv: 1, uv: 1, view_token: token, read_after_seconds: 5 });
const problem = (/** @type {string} */ name) => ({ type: `/v1/problems/${name}` });
const views = () => log.filter((line) => line.endsWith(`/${id}/views`)).length;
/** The view tokens of the reads under way. */
const tokens = () => sent.filter(({ path }) => path.endsWith(`/${id}/reads`)).map(({ body }) => body.view_token);
const read = () => answer("POST reads", 200, { article_id: id, reads: 1, counted: true });

test("a view is reported once, and a read once it was in sight for five seconds", async () => {
  await shown();
  await viewed();
  await pass(4999);
  assert.deepEqual(tokens(), []);
  await pass(1);
  assert.deepEqual([tokens(), log.at(-1)], [["a token"], `POST https://api.example/v1/articles/${id}/reads`]);
  await read();
  await hide(true);
  await hide(false);
  await pass(60_000);
  assert.deepEqual([tokens(), views(), beacons], [[], 1, []]);
});

test("a read is shown, and the page hears of it", async () => {
  const element = new EventTarget();
  /** @type {any[]} */
  const heard = [];
  element.addEventListener("interaction-read", (event) => heard.push(/** @type {CustomEvent} */ (event).detail));
  await shown(element);
  await viewed();
  await pass(5000);
  assert.deepEqual([article(id).counters.reads, heard], [undefined, []]);
  await read();
  assert.deepEqual([article(id).counters.reads, heard], [1, [{ article: id, reads: 1, counted: true }]]);
});

test("a read says nothing of the user, whose token may have expired", async () => {
  configure({ token: () => "ada" });
  await shown();
  await viewed();
  await pass(5000);
  assert.equal(await read(), undefined);
});

test("a read that meets a 503 or a broken network is handed in again, also after a minute", async () => {
  await shown();
  await viewed();
  await pass(5000);
  await answer("POST reads", 503, problem("backlogged"), { "Retry-After": "60" });
  await pass(59_999);
  assert.deepEqual(tokens(), []);
  await pass(1);
  await answer("POST reads", 0);
  await pass(1000);
  await read();
  await pass(600_000);
  assert.deepEqual([tokens(), article(id).counters.reads], [[], 1]);
});

test("a read that the service refuses is not handed in again", async () => {
  await shown();
  await viewed();
  await pass(5000);
  await answer("POST reads", 422, problem("view-token"));
  await pass(600_000);
  assert.deepEqual(tokens(), []);
});

test("if the page is left before a read is answered, a beacon hands it in", async () => {
  await shown();
  await viewed();
  await pass(5000);
  await answer("POST reads", 503, problem("not-warm"), { "Retry-After": "2" });
  await hide(true);
  assert.deepEqual(beacons, [{ url: `https://api.example/v1/articles/${id}/reads`, body: { view_token: "a token" } }]);
});

test("a browser without beacons, or whose queue is full, is no error", async () => {
  for (const sendBeacon of [undefined, () => false]) {
    id = `${next++}`;
    beacon(sendBeacon);
    await shown();
    await viewed();
    await pass(5000);
    await answer("POST reads", 503, problem("not-warm"), { "Retry-After": "2" });
    await hide(true);
    await hide(false);
    await pass(2000);
    await read();
    assert.equal(article(id).counters.reads, 1);
  }
});

test("the view's answer is shown without asking again", async () => {
  await shown();
  await viewed();
  await pass(1000);
  assert.deepEqual([article(id).counters, log.length], [{ pv: 1, uv: 1 }, 1]);
});

test("time in the background does not count, time before and after it does", async () => {
  await shown();
  await viewed();
  await pass(3000);
  await hide(true);
  await pass(60_000);
  assert.deepEqual(tokens(), []);
  await hide(false);
  await pass(1999);
  assert.deepEqual(tokens(), []);
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
  assert.deepEqual([article(id).counters.pv, tokens()], [3, []]);
});

test("the view of a visitor who has not consented says so", async () => {
  await shown();
  assert.equal(sent[0].body, undefined);
  configure({ visitors: "cookieless" });
  id = `${next++}`;
  await shown();
  assert.deepEqual(sent.at(-1)?.body, { consent: false });
});

test("where the service is another site, the cookie would not come back: it is left out, unless the page asks for it", async () => {
  for (const [base, visitors, body] of /** @type {const} */ ([
    ["https://api.www.example", undefined, undefined],
    ["", undefined, undefined],
    ["https://api.other", undefined, { consent: false }],
    ["https://api.other", "cookie", undefined],
  ])) {
    id = `${next++}`;
    configure({ base, visitors });
    await shown();
    assert.deepEqual(sent.at(-1)?.body, body, base);
    await viewed();
  }
});

test("of a visitor who has not agreed, nothing is counted until they agree", async () => {
  configure({ visitors: "none" });
  await shown();
  await pass(10_000);
  assert.equal(views(), 0);
  configure({ visitors: "cookie" });
  await pass(0);
  assert.deepEqual(underWay(id), ["POST views"]);
});

test("who has asked this browser not to be counted is not", async () => {
  const storage = { "interaction-ignore": "true" };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
  await shown();
  await pass(10_000);
  assert.equal(views(), 0);
  Reflect.deleteProperty(globalThis, "localStorage");
});

test("a site may ask for more seconds than the service, and not for fewer", async () => {
  for (const [seconds, needed] of [[8, 8000], [2, 5000]]) {
    id = `${next++}`;
    configure({ seconds });
    await shown();
    await viewed();
    await pass(needed - 1);
    assert.deepEqual(tokens(), []);
    await pass(1);
    assert.deepEqual(tokens(), ["a token"]);
    await read();
  }
});

test("time before the view was answered does not count", async () => {
  await shown();
  await pass(4000);
  await viewed();
  await pass(4999);
  assert.deepEqual(tokens(), []);
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
  assert.deepEqual(tokens(), []);
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
  assert.deepEqual(tokens(), []);
});

test("a page that comes back from the browser's cache is a second view", async () => {
  await shown();
  await viewed();
  await pass(5000);
  await read();
  await hide(true);
  await pass(60_000);
  await hide(false);
  await happens("pageshow", { persisted: true });
  await viewed("another");
  await pass(5000);
  assert.deepEqual([views(), tokens()], [2, ["another"]]);
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
