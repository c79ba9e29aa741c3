import { kinds } from "./kinds.js";
import { onConfigure, options } from "./options.js";
import { createGroup } from "./toggle.js";

/**
 * What is known of an article; all that is on the page shows this one. It has a toggle of each kind, by the kind's name.
 *
 * @typedef {{ [name in (typeof kinds)[number]["name"]]: import("./toggle.js").Toggle }} Toggles
 *
 * @typedef {object} Known
 * @property {string} id
 * @property {string} path of its requests
 * @property {boolean} [signedIn] whether the service knew a user when it was last asked; undefined until then
 * @property {number} version grows with each change
 * @property {{ [name: string]: number | undefined }} counters `pv`, `uv` and `reads`, once they are known
 * @property {import("./toggle.js").Take[]} groups of kinds that exclude each other
 * @property {{ [name: string]: number | null | undefined }} counts of the kinds
 * @property {Set<() => void>} watchers
 * @property {import("./track.js").Showing} [showing] where it is read, if it is
 * @property {number} asked when the service was last asked for it (`performance.now()`); before everything, if it was not
 *
 * @typedef {Toggles & Known} Article
 */

/** @type {Map<string, Article>} */
export const articles = new Map();

/** @typedef {(article: Article, ms: number) => void} Ask Called with an article of which the service has to be asked, after so many ms. */

/** @type {Ask | undefined} */
let ask;

/** @param {Ask} listener */
export const onAsk = (listener) => (ask = listener);

/**
 * @param {string} id as the site writes it; a text, since a number past 2^53 would lose digits
 * @returns {Article}
 */
export function article(id) {
  let known = articles.get(id);
  if (known) return known;
  if (!/^[\w.~:|@+=-]{1,128}$/.test(id)) throw RangeError(`article id ${id}`);
  const path = `articles/${encodeURIComponent(id)}`;
  known = fresh(/** @type {any} */ ({ id, path, version: 0, counters: {}, watchers: new Set() }));
  articles.set(id, known);
  return known;
}

/** Drops what belongs to the user, and what the user began. @param {Article} article */
function fresh(article) {
  const tell = (/** @type {number | undefined} */ again) => {
    if (again) ask?.(article, again);
    changed(article);
  };
  // A copy: an answer to the user before may still be written into the old one.
  article.counts = { ...article.counts };
  article.groups = [];
  article.signedIn = undefined;
  article.asked = -Infinity;
  for (const kind of kinds) {
    const group = kinds.filter((other) => other == kind || /** @type {import("./kinds.js").Kind} */ (other).excludes == kind.name);
    // Its first one makes it.
    if (group[0] == kind) article.groups.push(createGroup(article, group, tell));
  }
  changed(article);
  return article;
}

let base = options.base;
onConfigure((another) => {
  const moved = base != options.base;
  base = options.base;
  for (const article of another ? articles.values() : []) {
    // Another service has counted from its own beginning.
    if (moved) article.counters = {};
    fresh(article);
  }
});

/**
 * Learns the counters in an answer. They only grow: one that is lower is older, as from a cache.
 *
 * @param {Article} article
 * @param {any} answer
 */
export function learnCounters({ counters }, answer) {
  for (const name of ["pv", "uv", "reads"])
    if (answer[name] >= (counters[name] ?? 0)) counters[name] = answer[name];
}

/** Tells all that watch. @param {Article} article */
export function changed(article) {
  article.version++;
  for (const watcher of [...article.watchers])
    try {
      watcher();
    } catch (error) {
      // The page's own fault, and no reason to leave the others out.
      reportError(error);
    }
}
