import { session } from "./options.js";
import { inDoubt, pause, request, sleep } from "./request.js";

/** Ms. For so long a request whose answer was lost may still arrive; the opposite must not overtake it. */
const STRAY = 2000;

/**
 * One user's like or favourite of one article, shared by all that show it. The last intent wins, and one request at a time
 * carries it.
 *
 * @typedef {object} Toggle
 * @property {boolean} pressed what to show: the intent, before the service has confirmed it
 * @property {number | null} count the same of the count; null while it is not known
 * @property {boolean} busy a request is under way, or waits for its turn
 * @property {(on: boolean) => Promise<void>} set
 *   Shows it at once and has the service do it: resolves when it has, or rejects after taking it back.
 * @property {(item: any, asked: number) => void} take
 *   Learns from a query that was sent at that time (`performance.now()`).
 */

/**
 * @param {string} path
 * @param {string} status the answer's field of the status
 * @param {string} counter the answer's field of the count
 * @param {(refresh?: number) => void} changed also called with the ms after which it is worth asking what holds
 * @param {number | null} [count]
 * @returns {Toggle}
 */
export function createToggle(path, status, counter, changed, count = null) {
  const user = session;
  /** @type {boolean | undefined} what the service last said */
  let on;
  /** @type {boolean | undefined} what the user wants and the service has not said yet */
  let want;
  /** @type {boolean | undefined} what was sent last, if nobody knows whether it arrived */
  let doubted;
  /** Up to when a query may have been answered without the last change. */
  let settled = 0;
  /** @type {Promise<void> | undefined} */
  let running;

  const learn = (/** @type {any} */ answer) => {
    doubted = undefined;
    on = !!answer[status];
    count = answer[counter];
  };

  const run = async () => {
    // Not before `running` is set.
    await null;
    try {
      for (let attempt = 0; user == session && (want != on || doubted != null); ) {
        const sent = !!want;
        const stray = doubted == !sent ? settled - performance.now() : 0;
        if (stray > 0) {
          await sleep(stray);
          // The intent may be another one by now.
          continue;
        }
        try {
          learn(await request(sent ? "PUT" : "DELETE", path));
          settled = performance.now();
          attempt = 0;
        } catch (error) {
          const failure = /** @type {import("./request.js").Failure} */ (error);
          if (inDoubt(failure)) {
            doubted = sent;
            settled = performance.now() + STRAY;
          }
          // Only now: a browser may think that it is offline, and be wrong.
          if (!failure.status && !navigator.onLine) {
            await new Promise((back) => addEventListener("online", back, { once: true }));
            continue;
          }
          const ms = pause(failure, attempt++);
          if (ms == null) throw failure;
          await sleep(ms);
        }
      }
    } finally {
      running = want = undefined;
      changed(doubted == null ? 0 : STRAY + 1);
    }
  };

  return {
    get pressed() {
      return want ?? !!on;
    },
    get count() {
      return count == null ? null : Math.max(0, count + Number(this.pressed) - Number(!!on));
    },
    get busy() {
      return !!running;
    },
    set(intent) {
      want = intent;
      running ??= run();
      changed();
      return running;
    },
    take(item, asked) {
      // One that a change has overtaken says nothing, nor one that is behind a change, or cannot tell.
      if (!running && asked > settled && !(item.stale && settled) && item[counter] != null) learn(item);
    },
  };
}
