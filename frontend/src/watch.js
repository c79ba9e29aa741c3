import { article, articles, changed, learnCounters, onAsk } from "./article.js";
import { listen, sleep } from "./browser.js";
import { kinds } from "./kinds.js";
import { onConfigure, options, session } from "./options.js";
import { again, temporary, request } from "./request.js";

/** Ids that a query takes. */
const BATCH = 100;
/** Characters of ids in its URL. Many a server or gateway refuses a URL of more than 8,000. */
const LONGEST = 4000;
/** Ms. What appears together is asked for together. */
const GATHER = 50;
/** Refreshes of a page that nobody touches, each after twice the time of the one before. Then it waits for a touch. */
const UNTOUCHED = 5;

/** Ids to ask for. @type {Set<string>} */
const wanted = new Set();
let asking = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let untouched = 0;
let refreshed = 0;

/**
 * Calls `watcher` whenever something of the article changed, and keeps the article refreshed.
 *
 * @param {string} id
 * @param {() => void} watcher
 * @returns {() => void} ends it
 */
export function watch(id, watcher) {
  const known = article(id);
  // So that one function can be given twice.
  const own = () => watcher();
  known.watchers.add(own);
  const age = performance.now() - known.asked;
  if (age > (options.refresh || 1e9) * 1000) want(known);
  return () => known.watchers.delete(own);
}

/** Asks the service again for all that is watched. */
export function refresh() {
  refreshed = performance.now();
  for (const known of articles.values()) if (known.watchers.size) want(known);
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!globalThis.document || !options.refresh || untouched == UNTOUCHED) return;
  const due = refreshed + options.refresh * 1000 * 2 ** untouched;
  timer = setTimeout(() => {
    untouched++;
    refresh();
  }, due - performance.now());
}

/** @param {import("./article.js").Article} known */
function want(known) {
  known.asked = performance.now();
  wanted.add(known.id);
  if (asking) return;
  asking = true;
  ask();
}

async function ask() {
  for (let attempt = 0; wanted.size && !document.hidden; ) {
    await sleep(GATHER);
    const user = session;
    const asked = performance.now();
    const ids = [...wanted].slice(0, BATCH);
    while (encoded(ids).length > LONGEST) ids.pop();
    for (const id of ids) wanted.delete(id);
    try {
      const { items } = await request("GET", `interactions?article_ids=${encoded(ids)}`);
      attempt = 0;
      // An answer to the user before says nothing of this one, for whom all is wanted again.
      for (const item of user == session ? items : []) take(item, asked);
    } catch (error) {
      const failure = /** @type {any} */ (error);
      if (await again(failure, attempt++)) for (const id of ids) wanted.add(id);
      else {
        attempt = 0;
        if (temporary(failure)) {
          // Later ones would fail too.
          ids.push(...wanted);
          wanted.clear();
        }
        // They wait for the next refresh, or for another element that shows them.
        for (const id of ids) article(id).asked = -Infinity;
      }
    }
  }
  asking = false;
}

/** @param {string[]} ids */
const encoded = (ids) => ids.map(encodeURIComponent).join();

/** @param {any} item @param {number} asked */
function take(item, asked) {
  const known = article(item.article_id);
  learnCounters(known, item);
  known.signedIn = item[kinds[0].on] != null;
  for (const take of known.groups) take(item, asked);
  changed(known);
}

onAsk((known, ms) => setTimeout(() => want(known), ms));
onConfigure((another) => (another ? refresh() : schedule()));

const touched = () => {
  if (!untouched) return;
  untouched = 0;
  // At once, if it would have been refreshed by now.
  schedule();
};
listen(touched, "pointermove", "pointerdown", "keydown", "wheel", "scroll");

// What was left unasked while the page was hidden is asked when it is seen again.
const seen = () => {
  if (document.hidden) return;
  untouched = 0;
  refresh();
};
listen(seen, "visibilitychange", "online");
