import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import * as world from "./world.js";
import { kinds } from "../../src/kinds.js";
const { answer, clear, connect, jwt, log, outcome, pass, settle, underWay } = world;
const { article, changeUser, configure, refresh, watch } = await import("../../src/index.js");

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
  await pass(50);
}

const like = () => article(id).like;
const press = (/** @type {boolean} */ on, toggle = like()) => outcome(toggle.set(on));
const liked = (/** @type {boolean} */ on, /** @type {number} */ likes) => ({ article_id: id, liked: on, likes });
const problem = (/** @type {string} */ name) => ({ type: `/v1/problems/${name}`, title: name });
const item = (/** @type {object} */ values) => ({ items: [world.item(id, false, values)] });

/** @typedef {(typeof kinds)[number]} Kind */

/** @param {Kind} kind @param {boolean} on @param {number} count the service's answer to a change */
const done = (kind, on, count) => ({ article_id: id, [kind.on]: on, [kind.count]: count });
/** @param {Kind} kind what it shows */
const shown = ({ name }) => [article(id)[name].pressed, article(id)[name].count];

for (const kind of kinds) {
  const { name } = kind;
  test(`${name}: an intent is shown before the service has said a word, and then what the service says`, async () => {
    const toggle = article(id)[name];
    const end = press(true, toggle);
    assert.equal(toggle.pressed, true);
    assert.equal(await answer(`PUT ${name}`, 200, done(kind, true, 5)), "ada");
    assert.equal(end.state, "done");
    assert.deepEqual([...shown(kind), toggle.busy], [true, 5, false]);
    press(false, toggle);
    assert.deepEqual(shown(kind), [false, 4]);
    await answer(`DELETE ${name}`, 200, done(kind, false, 7));
    assert.deepEqual(shown(kind), [false, 7]);
  });
}

for (const kind of kinds) {
  const other = kinds.find(({ name }) => "excludes" in kind && name == kind.excludes);
  if (!other) continue;
  const [one, two] = [other.name, kind.name];

  /** `other` is on: five have it on, and three `kind`. */
  const begin = async () => {
    await watched();
    await answer(`GET ${id}`, 200, item({ [other.on]: true, [other.count]: 5, [kind.count]: 3 }));
    assert.deepEqual([shown(other), shown(kind)], [[true, 5], [false, 3]]);
  };

  test(`${two} shows ${one} off at once, and one request does both`, async () => {
    await begin();
    const end = press(true, article(id)[two]);
    assert.deepEqual([shown(other), shown(kind)], [[false, 4], [true, 4]]);
    await answer(`PUT ${two}`, 200, done(kind, true, 9));
    assert.deepEqual([end.state, shown(other), shown(kind)], ["done", [false, 4], [true, 9]]);
    await pass(60_000);
    assert.deepEqual(log.slice(1), [`PUT /v1/articles/${id}/${two}`]);
  });

  test(`${two} that fails shows ${one} on again`, async () => {
    await begin();
    const end = press(true, article(id)[two]);
    await answer(`PUT ${two}`, 403, problem("barred"));
    assert.deepEqual([end.state, shown(other), shown(kind)], ["failed", [true, 5], [false, 3]]);
  });

  test(`${two} switched off again leaves ${one} off`, async () => {
    await begin();
    press(true, article(id)[two]);
    await answer(`PUT ${two}`, 200, done(kind, true, 4));
    press(false, article(id)[two]);
    assert.deepEqual([shown(other), shown(kind)], [[false, 4], [false, 3]]);
    await answer(`DELETE ${two}`, 200, done(kind, false, 3));
    assert.deepEqual([shown(other), shown(kind)], [[false, 4], [false, 3]]);
  });

  test(`of ${one} and ${two} the last intent wins, one request at a time`, async () => {
    const first = press(true, article(id)[one]);
    await settle();
    const second = press(true, article(id)[two]);
    assert.deepEqual([article(id)[one].pressed, article(id)[two].pressed], [false, true]);
    await pass(3000);
    assert.deepEqual(underWay(id), [`PUT ${one}`], "the second waits for the first");
    await answer(`PUT ${one}`, 200, done(other, true, 1));
    assert.deepEqual(underWay(id), [`PUT ${two}`]);
    await answer(`PUT ${two}`, 403, problem("barred"));
    assert.deepEqual([first.state, second.state], ["done", "failed"], "only the click that failed says so");
    assert.deepEqual([shown(other), article(id)[two].pressed], [[true, 1], false]);
  });

  test(`${one} of which nothing is known is not overtaken by ${two} within two seconds`, async () => {
    press(true, article(id)[one]);
    await answer(`PUT ${one}`, 0);
    press(true, article(id)[two]);
    await pass(1999);
    assert.deepEqual(underWay(id), []);
    await pass(50);
    assert.deepEqual(underWay(id), [`PUT ${two}`]);
  });

  test(`${two} of which nothing is known is taken back before ${one} is`, async () => {
    await begin();
    press(true, article(id)[two]);
    await answer(`PUT ${two}`, 0);
    press(false, article(id)[two]);
    await pass(2000);
    await answer(`DELETE ${two}`, 200, done(kind, false, 3));
    // If it arrived, the other is off already, and switching it off twice changes nothing.
    await answer(`DELETE ${one}`, 200, done(other, false, 4));
    assert.deepEqual([shown(other), shown(kind)], [[false, 4], [false, 3]]);
  });
}

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

test("a page may keep the function alone, or a copy of a toggle", async () => {
  // As the hook for React copies it.
  const before = { ...like() };
  press(true);
  await answer("PUT like", 200, liked(true, 1));
  assert.equal(before.pressed, false);
  press(false, before);
  await answer("DELETE like", 200, liked(false, 0));
  const { set } = like();
  await set(false);
  assert.deepEqual([like().pressed, log.length], [false, 2]);
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
    await pass(50);
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
  await pass(50);
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
  await pass(50);
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
  await pass(50);
  await answer(`GET ${id}`, 200, item({ liked: false, likes: 3 }));
  assert.equal(like().count, 0, "an answer of within the two seconds is not believed");
  // Other refreshes are off here.
  await pass(2051);
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
  await pass(50);
  await answer(`GET ${id}`, 200, item({ likes: 3, liked: false, stale: true }));
  assert.deepEqual([like().pressed, like().count], [true, 9]);
});

for (const when of ["while a click is under way", "after a click that it does not know of"])
  test(`an answer that comes ${when} is not shown, and asked for again`, async () => {
    await watched();
    press(true);
    await settle();
    if (when.startsWith("after")) await answer("PUT like", 200, liked(true, 4));
    await answer(`GET ${id}`, 200, item({ likes: 3, dislikes: 2 }));
    assert.deepEqual([like().pressed, article(id).dislike.count], [true, null]);
    if (when.startsWith("while")) await answer("PUT like", 200, liked(true, 4));
    await pass(51);
    await answer(`GET ${id}`, 200, item({ liked: true, likes: 4, dislikes: 2 }));
    assert.deepEqual([like().pressed, like().count, article(id).dislike.count], [true, 4, 2]);
    press(false);
    await answer("DELETE like", 200, liked(false, 3));
    await pass(60_000);
    assert.equal(log.length, 4, "once");
  });

test("an old answer that comes after a click is not asked for again and again", async () => {
  await watched();
  press(true);
  await answer("PUT like", 200, liked(true, 4));
  for (let time = 0; time < 2; time++) {
    await answer(`GET ${id}`, 200, item({ likes: 3, stale: true }));
    await pass(51);
  }
  await pass(60_000);
  assert.equal(log.length, 3);
});

for (const kind of kinds) {
  /** It is on, and four have it on: so the service has answered a click. */
  const begin = async () => {
    press(true, article(id)[kind.name]);
    await answer(`PUT ${kind.name}`, 200, done(kind, true, 4));
    unwatch = watch(id, () => {});
    await pass(50);
  };
  /** What is shown once a query has said so. @param {boolean} on @param {number} count */
  const queried = async (on, count) => {
    await answer(`GET ${id}`, 200, item({ [kind.on]: on, [kind.count]: count }));
    return shown(kind);
  };
  const again = async () => {
    refresh();
    await pass(50);
  };

  if (!("projected" in kind)) {
    test(`${kind.name}: a query says what holds, also of a change just made elsewhere`, async () => {
      await begin();
      assert.deepEqual(await queried(false, 3), [false, 3]);
    });
    continue;
  }

  test(`${kind.name}: for a minute, the answer to a change is believed more than a query that is behind`, async () => {
    await begin();
    assert.deepEqual(await queried(false, 3), [true, 4]);
    await pass(59_850);
    await again();
    assert.deepEqual(await queried(false, 3), [true, 4]);
    await pass(100);
    await again();
    assert.deepEqual(await queried(false, 3), [false, 3]);
  });

  test(`${kind.name}: as soon as a query has known of the change, queries are believed`, async () => {
    await begin();
    assert.deepEqual(await queried(true, 5), [true, 5]);
    await again();
    assert.deepEqual(await queried(false, 3), [false, 3]);
  });

  test(`${kind.name}: so are they after a change of which nobody knows whether it arrived`, async () => {
    await begin();
    assert.deepEqual(await queried(false, 3), [true, 4]);
    press(false, article(id)[kind.name]);
    for (const ms of [500, 1000, 2000, 2001 + 50]) {
      await answer(`DELETE ${kind.name}`, 0);
      await pass(ms);
    }
    assert.deepEqual(await queried(false, 3), [false, 3]);
  });
}

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

// Signs of which base64 makes "+" and "/".
const [ada, ben] = ["ada|?>~?ü", "ben|?>~?ü"];

test("a click that is refused is not repeated with the token of another user, who is then asked for", async () => {
  user = jwt(ada, 1);
  await watched();
  await answer(`GET ${id}`, 200, item({}));
  const before = like();
  const end = press(true);
  await settle();
  user = jwt(ben, 2);
  await answer("PUT like", 401, problem("token-invalid"));
  await pass(500);
  assert.deepEqual(underWay(id), []);
  assert.deepEqual([end.state, end.error?.name, like() == before], ["failed", "UserChanged", false]);
  assert.equal(await answer(`GET ${id}`, 200, item({ likes: 3 })), user);
  assert.deepEqual([like().pressed, like().count], [false, 3]);
});

test("a click that waits is not sent with the token of another user, who is then asked for", async () => {
  user = jwt(ada, 1);
  await watched();
  await answer(`GET ${id}`, 200, item({}));
  const end = press(true);
  await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
  user = jwt(ben, 2);
  await pass(2000);
  assert.deepEqual(underWay(id), [], "in another tab somebody else has signed in");
  assert.deepEqual([end.state, end.error?.name], ["failed", "UserChanged"]);
  assert.equal(await answer(`GET ${id}`, 200, item({ likes: 3 })), user);
  assert.deepEqual([like().pressed, like().count], [false, 3]);
  press(true);
  assert.equal(await answer("PUT like", 200, liked(true, 4)), user, "what the other one clicks is theirs");
});

test("a click that waits is sent with a new token of the same user", async () => {
  user = jwt(ada, 1);
  const end = press(true);
  await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
  user = jwt(ada, 2);
  await pass(2000);
  assert.equal(await answer("PUT like", 200, liked(true, 1)), user);
  assert.equal(end.state, "done");
});

test("a click that is refused is repeated with a new token of the same user", async () => {
  user = jwt(ada, 1);
  const end = press(true);
  await settle();
  user = jwt(ada, 2);
  await answer("PUT like", 401, problem("token-invalid"));
  assert.equal(await answer("PUT like", 200, liked(true, 1)), user);
  assert.equal(end.state, "done");
});

test("a click that is refused fails if there is no new token, as where the user has signed out", async () => {
  user = jwt(ada, 1);
  const end = press(true);
  await settle();
  user = null;
  await answer("PUT like", 401, problem("token-invalid"));
  assert.deepEqual([end.state, end.error?.status, log.length], ["failed", 401, 1]);
});

test("what one user began is not sent with another's token, and not shown to them", async () => {
  const before = like();
  press(true, before);
  await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
  user = "bob";
  changeUser();
  assert.equal(before.pressed, true);
  assert.equal(like().pressed, false);
  await pass(60_000);
  assert.deepEqual(underWay(id), []);

  press(true);
  await settle();
  changeUser();
  await answer("PUT like", 200, liked(true, 9));
  assert.deepEqual([like().pressed, like().count], [false, null]);
});

test("what one user began, and another came, is not done, and says so", async () => {
  const end = press(true);
  await answer("PUT like", 503, problem("not-warm"), { "Retry-After": "1" });
  configure({ texts: {}, refresh: 0 });
  assert.deepEqual([end.state, like().pressed], ["pending", true], "other options change nothing");
  changeUser();
  await pass(2000);
  assert.deepEqual([end.state, end.error?.name], ["failed", "UserChanged"]);
});

test("a 401 that comes after the user has changed is not repeated with the new token", async () => {
  press(true);
  await settle();
  user = "bob";
  changeUser();
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
  await pass(29_999);
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

test("a browser that never says that it is back does not matter", async () => {
  await connect(false);
  const end = press(true);
  await answer("PUT like", 0);
  await pass(30_000);
  await answer("PUT like", 0);
  await pass(30_000);
  await answer("PUT like", 200, liked(true, 1));
  assert.equal(end.state, "done");
});

test("kinds that do not exclude each other go side by side", async () => {
  const alone = kinds.filter((kind) => !("excludes" in kind));
  press(true);
  for (const { name } of alone) press(true, article(id)[name]);
  await settle();
  assert.deepEqual(underWay(id), ["PUT like", ...alone.map(({ name }) => `PUT ${name}`)]);
  for (const kind of alone) {
    await answer(`PUT ${kind.name}`, 200, done(kind, true, 2));
    assert.deepEqual(shown(kind), [true, 2]);
  }
});

test("what excludes, is excluded", () => {
  for (const kind of kinds)
    if ("excludes" in kind)
      assert.deepEqual(kinds.filter((other) => "excludes" in other && other.excludes == kind.name).map(({ name }) => name), [
        kind.excludes,
      ]);
});
