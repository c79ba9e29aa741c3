import { kinds } from "./kinds.js";
import { onConfigure } from "./options.js";
import { createGroup } from "./toggle.js";

/**
 * What is known of an article; all that is on the page shows this one. It has a toggle of each kind, by the kind's name.
 *
 * @typedef {{ [name in (typeof kinds)[number]["name"]]: import("./toggle.js").Toggle }} Toggles
 *
 * @typedef {object} Known
 * @property {string} id
 * @property {boolean} [signedIn] whether the service knew a user when it was last asked; undefined until then
 * @property {number} version grows with each change
 * @property {{ [name: string]: number | undefined }} counters `pv`, `uv` and `reads`, once they are known
 * @property {import("./toggle.js").Group[]} groups of kinds that exclude each other
 * @property {{ [name: string]: number | null | undefined }} counts of the kinds
 * @property {Set<() => void>} watchers
 * @property {number} [asked] when the service was last asked for it (`performance.now()`)
 *
 * @typedef {Toggles & Known} Article
 */

/** @type {Map<string, Article>} */
export const articles = new Map();

/** Called with an article of which the service has to be asked, after so many ms. */
let ask = (/** @type {Article} */ _article, /** @type {number} */ _ms) => {};

/** @param {typeof ask} listener */
export const onAsk = (listener) => (ask = listener);

/**
 * @param {string} id as the site writes it; a text, since a number past 2^53 would lose digits
 * @returns {Article}
 */
export function article(id) {
  let known = articles.get(id);
  if (known) return known;
  if (!/^[\w.~:|@+=-]{1,128}$/.test(id)) throw RangeError(`article id ${id}`);
  if (!articles.size) onConfigure(forget);
  known = fresh(/** @type {any} */ ({ id, version: 0, counters: {}, watchers: new Set() }));
  articles.set(id, known);
  return known;
}

/** Drops what belongs to the user, and what the user began. @param {Article} article */
function fresh(article) {
  const tell = (/** @type {number | undefined} */ again) => {
    if (again) ask(article, again);
    changed(article);
  };
  // A copy: an answer to the user before may still be written into the old one.
  const counts = (article.counts = { ...article.counts });
  article.groups = [];
  article.signedIn = article.asked = undefined;
  for (const kind of kinds) {
    const group = kinds.filter((other) => other == kind || excludes(other, kind));
    // Its first one has made it.
    if (group[0] != kind) continue;
    const made = createGroup(`articles/${encodeURIComponent(article.id)}`, group, tell, counts);
    article.groups.push(made);
    group.forEach(({ name }, index) => (article[name] = made.toggles[index]));
  }
  changed(article);
  return article;
}

/** @param {boolean} another */
function forget(another) {
  if (!another) return;
  for (const article of articles.values()) fresh(article);
}

/** @param {import("./kinds.js").Kind} kind @param {import("./kinds.js").Kind} other */
const excludes = (kind, other) => kind.excludes == other.name;

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
