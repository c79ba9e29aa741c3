import assert from "node:assert/strict";
import { test } from "node:test";
import * as React from "react";
import { answer } from "./world.js";
const { articles } = await import("../../src/article.js");
const { configure } = await import("../../src/index.js");
const { useArticle } = await import("../../src/react.js");

/** What React calls for the hooks of what it renders. */
const react = /** @type {any} */ (React).__CLIENT_INTERNALS_DO_NOT_USE_OR_WARN_USERS_THEY_CANNOT_UPGRADE;
/** @param {string} id as a server renders it */
function rendered(id) {
  react.H = {
    useCallback: (/** @type {Function} */ call) => call,
    useMemo: (/** @type {Function} */ make) => make(),
    useSyncExternalStore: (/** @type {Function[]} */ ...[_subscribe, _get, onServer]) => onServer(),
  };
  try {
    return useArticle(id);
  } finally {
    react.H = null;
  }
}

test("a server that renders articles keeps none of them, and what is no id does not stop it", async () => {
  for (const id of ["1", "2", "no id"]) {
    const { like, signedIn, counters } = rendered(id);
    assert.deepEqual([like.pressed, like.count, like.busy, signedIn, counters], [false, null, false, undefined, {}]);
  }
  assert.equal(articles.size, 0);
});

test("a click before the browser has rendered it once more is a click", async () => {
  configure({ base: "", refresh: 0, token: () => "ada" });
  const end = rendered("3").like.set(true);
  await answer("PUT like", 200, { article_id: "3", liked: true, likes: 1 });
  await end;
  assert.equal(articles.get("3")?.like.pressed, true);
});
