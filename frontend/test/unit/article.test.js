import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, mock, test } from "node:test";
import { answer, clear, connect, happens, hide, item, log, pass, sent } from "./world.js";
import { kinds } from "../../src/kinds.js";
const { article, changeUser, configure, refresh, watch } = await import("../../src/index.js");

/** Ms in which what appears together is asked for together. */
const SOON = 50;
let next = 4000;
/** @type {string} */
let id;
/** @type {(() => void)[]} */
let ends;

beforeEach(async () => {
  id = `${next++}`;
  ends = [];
  // Somebody uses the page.
  await happens("keydown");
  configure({ base: "", refresh: 30, token: () => null });
});

afterEach(async () => {
  for (const end of ends) end();
  await clear();
});

/** @param {string} id */
function watched(id) {
  const seen = { changes: 0 };
  ends.push(watch(id, () => seen.changes++));
  return seen;
}

const items = (/** @type {string[]} */ ids, /** @type {object} */ values = {}) => ({
  items: ids.map((id) => item(id, null, { reads: 5, ...values })),
});

/** It is watched, and the service has answered once. */
async function shown() {
  watched(id);
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id]));
}

test("ids are texts: the greatest keeps all its digits", async () => {
  const id = "9223372036854775807";
  const seen = watched(id);
  await pass(SOON);
  await answer(`GET article_ids=${id}`, 200, items([id]));
  assert.equal(article(id).counters.reads, 5);
  assert.equal(seen.changes, 1);
});

test("every kind has a toggle, which shows what the service says of it", async () => {
  watched(id);
  await pass(SOON);
  const numbered = kinds.map(({ count }, index) => [count, index + 1]);
  for (const one of kinds) {
    await answer(`GET =${id}`, 200, items([id], { ...Object.fromEntries(numbered), [one.on]: true }));
    for (const [index, { name }] of kinds.entries())
      assert.deepEqual([article(id)[name].pressed, article(id)[name].count], [name == one.name, index + 1], name);
    refresh();
    await pass(SOON);
  }
});

test("the kinds of which queries read a copy are those whose truth is MySQL", () => {
  const table = readFileSync(new URL("../../../contract/src/kind.rs", import.meta.url), "utf8");
  const rows = [...table.matchAll(/name: "(\w+)".*\s+truth: Truth::(\w+)/g)].map(([, name, truth]) => [name, truth == "Mysql"]);
  assert.deepEqual(rows, kinds.map((kind) => [kind.name, "projected" in kind]));
});

test("the counters are numbers, and never go back: a lower one is older", async () => {
  await shown();
  assert.deepEqual(article(id).counters, { pv: 0, uv: 0, reads: 5 });
  for (const values of [{ pv: 9, uv: 4, reads: 6 }, { pv: 8, uv: 3, reads: 5 }]) {
    refresh();
    await pass(SOON);
    await answer(`GET =${id}`, 200, items([id], values));
    assert.deepEqual(article(id).counters, { pv: 9, uv: 4, reads: 6 });
  }
});

test("what is no id is refused here, not by a query that many share", () => {
  for (const id of ["", "4 2", "a/b", "a,b", "é", "a%20b", "#1", "a".repeat(129)])
    assert.throws(() => article(id), RangeError, id);
});

test("an id is what the site has, escaped where a URL needs it", async () => {
  const ids = ["auth0|507f", "how-to-like", "b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50", "a+b=c"];
  ids.forEach(watched);
  await pass(SOON);
  await answer("GET =auth0%7C507f,how-to-like,b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50,a%2Bb%3Dc", 200, items(ids, { likes: 3 }));
  for (const id of ids) assert.equal(article(id).like.count, 3, id);
});

test("all that is on a page is asked for at once, by hundreds, and each id once", async () => {
  const ids = Array.from({ length: 101 }, (_, index) => `${3000 + index}`);
  ids.forEach(watched);
  ids.forEach(watched);
  await pass(SOON);
  await answer(`GET ${ids.slice(0, 100)}`, 200, items(ids.slice(0, 100)));
  await pass(SOON);
  await answer("GET article_ids=3100", 200, items(["3100"]));
  assert.equal(log.length, 2);
  assert.equal(article("3100").like.count, 0);
});

test("a query is not longer than gateways allow", async () => {
  const ids = Array.from({ length: 100 }, (_, index) => `${index}|`.padEnd(128, "x"));
  ids.forEach(watched);
  await pass(SOON);
  for (const left = new Set(ids); left.size; await pass(SOON)) {
    const [{ path }] = sent;
    assert.ok(path.length < 4100, `${path.length}`);
    const asked = new URLSearchParams(path.split("?")[1]).get("article_ids")?.split(",") ?? [];
    await answer("GET ", 200, items(asked));
    for (const id of asked) assert.ok(left.delete(id));
  }
  assert.deepEqual([log.length, sent.length], [4, 0]);
});

test("what leaves the page and comes back is not asked for again so soon", async () => {
  await shown();
  ends.pop()?.();
  watched(id);
  await pass(SOON);
  assert.equal(log.length, 1);
});

test("what is shown is refreshed every thirty seconds while the page is seen and used", async () => {
  await shown();
  refresh();
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id]));
  await pass(30_000 - SOON);
  assert.equal(sent.length, 0);
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id], { reads: 6 }));
  assert.equal(article(id).counters.reads, 6);
  await hide(true);
  await pass(600_000);
  assert.equal(log.length, 3);
  await hide(false);
  await pass(SOON);
  assert.equal(log.length, 4, "and at once when it is seen again");
});

test("a page that nobody touches is refreshed ever more rarely, then not at all, until it is touched", async () => {
  await shown();
  refresh();
  await pass(SOON);
  /** Seconds after which it is asked the next time. */
  const waits = [];
  for (let time = 0; time < 5; time++) {
    await answer(`GET =${id}`, 200, items([id]));
    let seconds = 0;
    for (; !sent.length && seconds < 1000; seconds++) await pass(1000);
    waits.push(seconds);
  }
  assert.deepEqual(waits, [30, 60, 120, 240, 480]);
  await answer(`GET =${id}`, 200, items([id]));
  await pass(24 * 60 * 60_000);
  assert.equal(sent.length, 0);
  await happens("pointermove");
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id]));
  await happens("pointermove");
  await pass(29_000);
  assert.equal(sent.length, 0, "touches do not make it faster");
  await pass(1000);
  assert.equal(sent.length, 1);
});

test("what is not shown any more is not asked for", async () => {
  await shown();
  ends.pop()?.();
  const other = `${next++}`;
  watched(other);
  refresh();
  await pass(SOON);
  assert.deepEqual(log.slice(1), [`GET /v1/interactions?article_ids=${other}`]);
});

test("one that appears while others are asked for is asked for alone", async () => {
  watched(id);
  await pass(SOON);
  const other = `${next++}`;
  watched(other);
  await pass(200);
  await answer(`GET =${id}`, 200, items([id]));
  await pass(SOON);
  assert.deepEqual(log.at(-1), `GET /v1/interactions?article_ids=${other}`);
});

test("a query that fails is repeated as the service says, then with the next refresh", async () => {
  await shown();
  refresh();
  await pass(SOON);
  for (let time = 0; time < 3; time++) {
    await answer(`GET =${id}`, 503, {}, { "Retry-After": "3" });
    await pass(3000 + SOON - 1);
    assert.equal(sent.length, 0);
    await pass(1);
  }
  await answer(`GET =${id}`, 503, {}, { "Retry-After": "3" });
  await pass(30_000 - 3 * 3000 - 4 * SOON - 1);
  assert.equal(sent.length, 0);
  await pass(1 + SOON);
  await answer(`GET =${id}`, 200, items([id]));
});

test("what a refused query has asked for is left out, and what waits is asked for", async () => {
  const ids = Array.from({ length: 101 }, () => `${next++}`);
  ids.forEach(watched);
  await pass(SOON);
  await answer("GET ", 404);
  await pass(SOON);
  await answer(`GET =${ids[100]}`, 200, items([ids[100]]));
  assert.equal(article(ids[100]).counters.reads, 5);
});

test("what was not asked because the service is down is asked when another element shows it", async () => {
  watched(id);
  await pass(SOON);
  const other = `${next++}`;
  watched(other);
  await answer(`GET =${id}`, 503, {}, { "Retry-After": "60" });
  await pass(1000);
  assert.equal(sent.length, 0, "it is down for the other, too");
  for (const one of [id, other]) watched(one);
  await pass(SOON);
  await answer(`GET =${id},${other}`, 200, items([id, other]));
  assert.equal(article(other).counters.reads, 5);
});

test("an answer to the user before says nothing to the next, who is asked for at once", async () => {
  watched(id);
  await pass(SOON);
  changeUser();
  await answer(`GET =${id}`, 200, items([id], { liked: true }));
  assert.deepEqual([article(id).like.pressed, article(id).signedIn], [false, undefined]);
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id], { liked: false }));
  assert.deepEqual([article(id).like.pressed, article(id).signedIn], [false, true]);
});

test("what another service has counted is not compared with what this one has", async () => {
  watched(id);
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id], { pv: 100 }));
  configure({ base: "https://other.example" });
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id], { pv: 3 }));
  assert.equal(article(id).counters.pv, 3);
});

test("back online, it is asked at once", async () => {
  await shown();
  await connect(true);
  await pass(SOON);
  assert.equal(log.length, 2);
});

test("one watcher that throws does not keep the others from being called", async () => {
  const reported = mock.method(globalThis, "reportError", () => {});
  const seen = watched(id);
  const fault = new Error("a fault of the page");
  ends.push(watch(id, () => { throw fault; }));
  const later = watched(id);
  await pass(SOON);
  await answer(`GET =${id}`, 200, items([id]));
  assert.deepEqual([seen.changes, later.changes], [1, 1]);
  assert.equal(reported.mock.calls[0].arguments[0], fault, "the page's own error is not swallowed");
  reported.mock.restore();
});

test("a token that never comes keeps nothing waiting but what needs a user", async () => {
  configure({ token: () => new Promise(() => {}) });
  watched(id);
  await pass(SOON);
  const liked = article(id).like.set(true).catch((failure) => failure);
  await pass(4999 - SOON);
  assert.deepEqual(log, []);
  await pass(SOON + 1);
  await answer(`GET =${id}`, 200, items([id]));
  assert.equal(article(id).counters.reads, 5);
  await pass(60_000);
  assert.match((await liked).message, /in time/);
});

test("requests that are refused together ask for one new token, and a visitor sees what a refused user may not", async () => {
  /** @type {boolean[]} */
  const asked = [];
  configure({ token: (refused) => (asked.push(refused), refused ? "new" : "old") });
  watched(id);
  for (const kind of ["like", "collect"]) article(id)[/** @type {"like"} */ (kind)].set(true).catch(() => {});
  await pass(SOON);
  for (const request of [`GET =${id}`, "PUT like", "PUT collect"]) assert.equal(await answer(request, 401), "old");
  assert.deepEqual(asked.filter(Boolean), [true]);
  for (const request of ["PUT like", "PUT collect"]) assert.equal(await answer(request, 401), "new");
  assert.equal(await answer(`GET =${id}`, 401), "new");
  assert.equal(await answer(`GET =${id}`, 200, items([id])), undefined);
  assert.equal(article(id).counters.reads, 5);
});

test("a failure has the id that the service's log has for it", async () => {
  configure({ token: () => "ada" });
  const end = article(id).like.set(true).catch((failure) => failure);
  await answer("PUT like", 403, { type: "/v1/problems/barred", title: "Barred" }, { "X-Request-Id": "r-7" });
  const { requestId, type, message } = await end;
  assert.deepEqual([requestId, type, message], ["r-7", "/v1/problems/barred", "Barred"]);
});

test("a base may end with a slash", async () => {
  configure({ base: "https://api.example//" });
  watched(id);
  await pass(SOON);
  assert.deepEqual(log, [`GET https://api.example/v1/interactions?article_ids=${id}`]);
});

const url = new URL("../../src/index.js", import.meta.url);
/** What a script prints that has imported the module. @param {string} use */
const printed = (use) => {
  const script = `import(${JSON.stringify(url)}).then((module) => { ${use} })`;
  return execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }).trim();
};

test("a server that renders pages can import it, and nothing keeps it running", () => {
  const exports = printed("module.configure({}); module.define(); console.log(Object.keys(module).join())");
  assert.equal(exports, "article,changeUser,configure,define,refresh,track,watch");
});

test("until it knows where the service is, it asks nobody", () => {
  const use = `
    globalThis.document = { hidden: false, addEventListener() {} };
    globalThis.addEventListener = () => {};
    globalThis.fetch = (url) => (console.log(url), new Promise(() => {}));
    module.watch("42", () => {});
    setTimeout(() => (console.log("now"), module.configure({ base: "https://api.example" })), 100);
    setTimeout(process.exit, 200);`;
  assert.equal(printed(use), "now\nhttps://api.example/v1/interactions?article_ids=42");
});
