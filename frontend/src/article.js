import { kinds } from "./kinds.js";
import { changeUser, options, session } from "./options.js";
import { pause, request } from "./request.js";
import { createGroup } from "./toggle.js";

/** Ids that a query takes. */
const BATCH = 100;

/**
 * What is known of an article; all that is on the page shows this one. It has a toggle of each kind, by the kind's name.
 *
 * @typedef {{ [name in (typeof kinds)[number]["name"]]: import("./toggle.js").Toggle }} Toggles
 *
 * @typedef {object} Known
 * @property {import("./toggle.js").Group[]} groups of kinds that exclude each other
 * @property {{ [name: string]: number | null | undefined }} counts of the kinds
 * @property {{ [name: string]: number | undefined }} counters `pv`, `uv` and `reads`, once they are known
 * @property {Set<() => void>} watchers
 *
 * @typedef {Toggles & Known} Article
 */

/** @type {Map<string, Article>} */
const articles = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {boolean | undefined} */
let loading;
let failures = 0;

/**
 * @param {string} id as the site writes it; a text, since a number past 2^53 would lose digits
 * @returns {Article}
 */
export function article(id) {
  if (!/^[\w.~:|@+=-]{1,128}$/.test(id)) throw RangeError(`article id ${id}`);
  const known = articles.get(id) ?? fresh(id, /** @type {any} */ ({ counters: {}, watchers: new Set() }));
  articles.set(id, known);
  return known;
}

/**
 * Drops what belongs to the user, and what the user began.
 *
 * @param {string} id
 * @param {Article} article
 */
function fresh(id, article) {
  const tell = (/** @type {number | undefined} */ again) => {
    // Besides the usual one, which others may put off.
    if (again) setTimeout(refresh, again);
    changed(article);
  };
  // A copy: an answer to the user before may still be written into the old one.
  const counts = (article.counts = { ...article.counts });
  article.groups = [];
  for (const kind of kinds) {
    const group = kinds.filter((other) => other == kind || excludes(other, kind));
    // Its first one has made it.
    if (group[0] != kind) continue;
    const made = createGroup(`articles/${encodeURIComponent(id)}`, group, tell, counts);
    article.groups.push(made);
    group.forEach(({ name }, index) => (article[name] = made.toggles[index]));
  }
  changed(article);
  return article;
}

/** @param {import("./kinds.js").Kind} kind @param {import("./kinds.js").Kind} other */
const excludes = (kind, other) => kind.excludes == other.name;

/** Tells all that watch. @param {Article} article */
export function changed({ watchers }) {
  for (const watcher of watchers) watcher();
}

/**
 * Calls `watcher` whenever something of the article changed, and keeps it refreshed.
 *
 * @param {string} id
 * @param {() => void} watcher
 * @returns {() => void} ends it
 */
export function watch(id, watcher) {
  const { watchers } = article(id);
  watchers.add(watcher);
  refresh();
  return () => watchers.delete(watcher);
}

/**
 * Changes options. Call it also when the user has changed: what was known of the one before is forgotten.
 *
 * @param {Partial<import("./options.js").Options>} [changes]
 */
export function configure({ texts, ...others } = {}) {
  Object.assign(options, others);
  Object.assign(options.texts, texts);
  changeUser();
  for (const [id, article] of articles) fresh(id, article);
  refresh();
}

/**
 * Asks the service again for all that is shown.
 *
 * @param {number} [ms] from now
 */
export function refresh(ms = 0) {
  clearTimeout(timer);
  timer = setTimeout(load, ms);
}

async function load() {
  timer = undefined;
  // When it is seen again, it is asked again.
  if (document.hidden) return;
  if (loading) return refresh(100);
  loading = true;
  let wait = options.refresh * 1000;
  const user = session;
  const ids = [...articles.keys()].filter((id) => article(id).watchers.size);
  try {
    while (ids.length && user == session) {
      const asked = performance.now();
      const { items } = await request("GET", `interactions?article_ids=${ids.splice(0, BATCH).map(encodeURIComponent)}`);
      // An answer to the user before says nothing of this one.
      for (const item of user == session ? items : []) {
        const known = article(item.article_id);
        known.counters = item;
        for (const group of known.groups) group.take(item, asked);
        changed(known);
      }
    }
    failures = 0;
  } catch (failure) {
    wait = pause(/** @type {any} */ (failure), failures++) ?? wait;
  }
  loading = false;
  if (wait && !timer) refresh(wait);
}

// Both reach the window.
for (const event of ["visibilitychange", "online"]) globalThis.addEventListener?.(event, () => refresh());
