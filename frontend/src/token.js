import { options } from "./options.js";

/** Ms. A page whose sign-in has stopped answering must not wait for it. */
const TIMEOUT = 5000;
/** Ms. For so long the answer to a refused token is everybody's: requests that were under way are refused one after another. */
const SHARED = 10_000;

/** @param {boolean} refused @returns {Promise<string | null | undefined>} */
function ask(refused) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Error("no token in time")), TIMEOUT);
  });
  const asked = Promise.resolve().then(() => options.token(refused));
  return /** @type {any} */ (Promise.race([asked, late]).finally(() => clearTimeout(timer)));
}

export const token = () => ask(false);

/** @type {string | undefined} */
let refused;
/** @type {ReturnType<typeof ask>} */
let renewal;
let since = 0;

/**
 * The token to use in place of one that the service refused. However many requests it refused, the page is asked once.
 *
 * @param {string} old
 */
export function renewed(old) {
  const now = performance.now();
  if (old != refused || now - since > SHARED) {
    refused = old;
    since = now;
    renewal = ask(true);
  }
  return renewal;
}
