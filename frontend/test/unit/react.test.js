// The hook where there is no browser: on a server that renders, and at the first rendering in a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as React from "react";
// @ts-expect-error React's types for this package are a package of their own, which nothing else here needs.
import { renderToString } from "react-dom/server";
import { answer } from "./world.js";
const { articles } = await import("../../src/article.js");
const { configure } = await import("../../src/index.js");
const { useArticle } = await import("../../src/react.js");

/** What the hook returns to a component that a server renders. @param {string} id */
function rendered(id) {
  /** @type {any} */
  let returned;
  const Shown = () => {
    returned = useArticle(id);
    return null;
  };
  renderToString(React.createElement(Shown));
  return returned;
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
