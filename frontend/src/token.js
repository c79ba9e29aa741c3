import { inTime } from "./browser.js";
import { options } from "./options.js";

/** Ms. For so long the answer to a refused token is everybody's: requests that were under way are refused one after another. */
const SHARED = 10_000;

/** @param {boolean} refused @returns {Promise<string | null | undefined>} */
const ask = (refused) => inTime(async () => options.token(refused));

export const token = () => ask(false);

/**
 * Whose token it is, if it is a JSON Web Token.
 *
 * @param {string | null | undefined} token
 * @returns {string | undefined}
 */
export function subject(token) {
  try {
    // In the alphabet of URLs, which `atob` does not know.
    const payload = /** @type {string} */ (token).split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(payload)).sub;
  } catch {
    // It is another token, which says nothing, or none.
  }
}

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
