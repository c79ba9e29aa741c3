import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, test } from "node:test";
import { answer, clear, connect, hide, item, log, pass, sent } from "./world.js";
import { kinds } from "../../src/kinds.js";
const { article, configure, refresh, watch } = await import("../../src/index.js");

/** @type {(() => void)[]} */
let ends;

beforeEach(() => {
  ends = [];
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

test("ids are texts: the greatest keeps all its digits", async () => {
  const id = "9223372036854775807";
  const seen = watched(id);
  await pass(0);
  await answer(`GET article_ids=${id}`, 200, items([id]));
  assert.equal(article(id).counters.reads, 5);
  assert.equal(seen.changes, 1);
});

test("every kind has a toggle, which shows what the service says of it", async () => {
  watched("44");
  await pass(0);
  const numbered = kinds.map(({ count }, index) => [count, index + 1]);
  for (const one of kinds) {
    await answer("GET =44", 200, items(["44"], { ...Object.fromEntries(numbered), [one.on]: true }));
    for (const [index, { name }] of kinds.entries())
      assert.deepEqual([article("44")[name].pressed, article("44")[name].count], [name == one.name, index + 1], name);
    refresh();
    await pass(0);
  }
});

test("what is no id is refused here, not by a query that many share", () => {
  for (const id of ["", "4 2", "a/b", "a,b", "é", "a%20b", "#1", "a".repeat(129)])
    assert.throws(() => article(id), RangeError, id);
});

test("an id is what the site has, escaped where a URL needs it", async () => {
  const ids = ["auth0|507f", "how-to-like", "b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50", "a+b=c"];
  ids.forEach(watched);
  await pass(0);
  await answer("GET =auth0%7C507f,how-to-like,b1946ac9-2492-4d23-8f5a-1c1f2d3e4f50,a%2Bb%3Dc", 200, items(ids, { likes: 3 }));
  for (const id of ids) assert.equal(article(id).like.count, 3, id);
});

test("all that is on a page is asked for at once, by hundreds", async () => {
  const ids = Array.from({ length: 101 }, (_, index) => `${3000 + index}`);
  ids.forEach(watched);
  await pass(0);
  await answer(`GET ${ids.slice(0, 100)}`, 200, items(ids.slice(0, 100)));
  await answer("GET article_ids=3100", 200, items(["3100"]));
  assert.equal(log.length, 2);
  assert.equal(article("3100").like.count, 0);
});

test("what is shown is refreshed every thirty seconds while the page is seen", async () => {
  watched("42");
  await pass(0);
  await answer("GET =42", 200, items(["42"]));
  await pass(29_999);
  assert.equal(sent.length, 0);
  await pass(1);
  await answer("GET =42", 200, items(["42"], { reads: 6 }));
  assert.equal(article("42").counters.reads, 6);
  await hide(true);
  await pass(600_000);
  assert.equal(log.length, 2);
  await hide(false);
  await pass(0);
  assert.equal(log.length, 3, "and at once when it is seen again");
});

test("what is not shown any more is not asked for", async () => {
  watched("42");
  watched("43");
  ends.shift()?.();
  await pass(0);
  assert.deepEqual(log, ["GET /v1/interactions?article_ids=43"]);
});

test("one that appears while others are asked for is asked for too", async () => {
  watched("42");
  await pass(0);
  watched("43");
  await pass(200);
  await answer("GET =42", 200, items(["42"]));
  await pass(100);
  assert.equal(log.at(-1), "GET /v1/interactions?article_ids=42,43");
});

test("a query that fails is repeated as the service says, then with the next refresh", async () => {
  watched("42");
  await pass(0);
  await answer("GET =42", 200, items(["42"]));
  refresh();
  await pass(0);
  for (let time = 0; time < 3; time++) {
    await answer("GET =42", 503, {}, { "Retry-After": "3" });
    await pass(2999);
    assert.equal(sent.length, 0);
    await pass(1);
  }
  await answer("GET =42", 503, {}, { "Retry-After": "3" });
  await pass(29_999);
  assert.equal(sent.length, 0);
  await pass(1);
  await answer("GET =42", 200, items(["42"]));
});

test("an answer to the user before says nothing to the next", async () => {
  watched("45");
  await pass(0);
  configure();
  await answer("GET =45", 200, items(["45"], { liked: true }));
  assert.equal(article("45").like.pressed, false);
  await pass(100);
  await answer("GET =45", 200, items(["45"], { liked: false }));
});

test("back online, it is asked at once", async () => {
  watched("42");
  await pass(0);
  await answer("GET =42", 200, items(["42"]));
  await connect(true);
  await pass(0);
  assert.equal(log.length, 2);
});

test("a server that renders pages can import it", () => {
  const url = new URL("../../src/index.js", import.meta.url);
  const use = "(module) => (module.configure({}), console.log(Object.keys(module).join()), process.exit())";
  const script = `import(${JSON.stringify(url)}).then(${use})`;
  const exports = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" });
  assert.equal(exports.trim(), "article,configure,refresh,track,watch");
});
