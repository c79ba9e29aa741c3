import { sleep } from "./browser.js";
import { session } from "./options.js";
import { again, inDoubt, replaced, request } from "./request.js";

/** Ms. For so long a request whose answer was lost may still arrive; another change must not overtake it. */
const STRAY = 2000;
/** Ms. For so long a query may not know yet what MySQL has confirmed: as a rule milliseconds, but more after an outage. */
const BEHIND = 60_000;
/** Ms. A browser may think for longer that it is offline, and be wrong. */
const OFFLINE = 30_000;

/**
 * One kind of one user and one article, shared by all that show it.
 *
 * @typedef {object} Toggle
 * @property {boolean} pressed what to show: the intent, before the service has confirmed it
 * @property {number | null} count the same of the count; null while it is not known
 * @property {boolean} busy a request is under way, or waits for its turn
 * @property {(on: boolean) => Promise<void>} set
 *   Shows it at once and has the service do it: resolves when it has, or rejects after taking it back, or when another user
 *   came. Resolves too where a later intent for a kind that excludes this one has replaced it.
 *
 * @typedef {import("./kinds.js").Kind} Kind
 *
 * @typedef {(item: any, asked: number) => void} Take Learns from a query that was sent at that time (`performance.now()`).
 */

/**
 * Gives the article the toggles of kinds that exclude each other; of a kind that excludes none, one toggle. The last intent
 * wins, and one request at a time carries it: the service switches the excluded kind off with the request that switches the
 * other on.
 *
 * @param {import("./article.js").Article} article
 * @param {readonly (typeof import("./kinds.js").kinds)[number][]} group
 * @param {(refresh?: number) => void} changed also called with the ms after which it is worth asking what holds
 * @returns {Take}
 */
export function createGroup(article, group, changed) {
  const counts = /** @type {{ [count: string]: any }} */ (article.counts);
  const user = session;
  /** @type {Kind | null | undefined} which one is on, as the service last said; null for none */
  let on;
  /** @type {Kind | null | undefined} which one the user wants on, if the service has not said it yet */
  let want;
  /** The one that was clicked last. */
  let last = /** @type {Kind} */ (group[0]);
  /** @type {{ kind: Kind, put: boolean } | undefined} what was sent last, if nobody knows whether it arrived */
  let doubted;
  /** Up to when a query may have been answered without the last change. */
  let settled = 0;
  /** Up to when the answer to the last change is believed more than a query that differs. */
  let believed = 0;
  /** Whether an answer to a query was left out since the run began. */
  let missed = false;
  /** @type {Promise<void> | undefined} */
  let running;

  const shown = () => (want === undefined ? on : want);

  /** @param {Kind} kind @param {any} answer to its request */
  const learn = (kind, answer) => {
    doubted = undefined;
    counts[kind.count] = answer[kind.count];
    if (answer[kind.on]) {
      if (on && on != kind && counts[on.count]) counts[on.count]--;
      on = kind;
      // Another one that is on stays on.
    } else if (!on || on == kind) on = null;
  };

  const run = async () => {
    // Not before `running` is set.
    await null;
    /** @type {{ user?: string }} */
    const by = {};
    try {
      for (let attempt = 0; want !== on || doubted; ) {
        if (user != session) throw replaced();
        const put = !!want;
        const kind = want ?? doubted?.kind ?? on ?? last;
        const stray = doubted && (doubted.kind != kind || doubted.put != put) ? settled - performance.now() : 0;
        if (stray > 0) {
          await sleep(stray);
          // The intent may be another one by now.
          continue;
        }
        try {
          learn(kind, await request(put ? "PUT" : "DELETE", `${article.path}/${kind.name}`, undefined, by));
          settled = performance.now();
          believed = kind.projected ? settled + BEHIND : 0;
          attempt = 0;
        } catch (error) {
          const failure = /** @type {import("./request.js").Failure} */ (error);
          if (inDoubt(failure)) {
            doubted = { kind, put };
            settled = performance.now() + STRAY;
            believed = 0;
          }
          // Only now: a browser may think that it is offline, and be wrong.
          if (!failure.status && !navigator.onLine) {
            await new Promise((back) => {
              addEventListener("online", back, { once: true });
              setTimeout(back, OFFLINE);
            });
            continue;
          }
          if (!(await again(failure, attempt++))) throw Object.assign(failure, by);
        }
      }
    } finally {
      running = want = undefined;
      changed(doubted ? STRAY + 1 : +missed);
      missed = false;
    }
  };

  /** @param {Kind} kind @returns {Toggle} */
  const toggle = (kind) => {
    /** @type {Promise<void> | undefined} */
    let own;
    return {
      get pressed() {
        return shown() == kind;
      },
      get count() {
        const count = counts[kind.count];
        return count == null ? null : Math.max(0, count + +this.pressed - +(on == kind));
      },
      get busy() {
        return !!running && own == running;
      },
      set(intent) {
        // Without `this`: a page may keep the function alone.
        want = intent ? kind : shown() == kind ? null : (shown() ?? null);
        last = kind;
        own = running ??= run();
        changed();
        return own.catch((failure) => {
          if (last == kind) throw failure;
        });
      },
    };
  };

  for (const kind of group) article[kind.name] = toggle(kind);

  return (item, asked) => {
    // One that a change has overtaken says nothing: it is asked again, now or after the change. After a doubt it will be anyway.
    if (running) missed = true;
    else if (asked <= settled && !doubted) changed(1);
    if (running || asked <= settled) return;
    const found = group.find((kind) => item[kind.on]) ?? null;
    // An answer that is behind a change says nothing either.
    if ((item.stale && settled) || (found != on && asked < believed)) return;
    believed = 0;
    doubted = undefined;
    on = found;
    for (const { count } of group) counts[count] = item[count];
  };
}
