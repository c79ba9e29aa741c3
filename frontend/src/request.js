import { based, options, session } from "./options.js";
import { renewed, token } from "./token.js";

/**
 * Why a request failed. `type` is that of RFC 9457, `retryAfter` in seconds. Without a `status` the network broke, or the
 * answer did not come in time, or the user has changed.
 *
 * @typedef {Error & { status?: number, type?: string, detail?: string, retryAfter?: number, requestId?: string }} Failure
 */

/** Ms. The service answers within two seconds; after five it will not. */
const TIMEOUT = 5000;
const RETRIES = 3;
/** Seconds. Nobody looks at a button for longer: better say that it failed. */
const LONGEST_WAIT = 15;

/**
 * @param {string} method
 * @param {string} path below `/v1/`
 * @param {object} [body]
 * @returns {Promise<any>} the answer's JSON; rejects with a {@link Failure}
 */
export async function request(method, path, body) {
  await based;
  const started = session;
  const changes = method == "PUT" || method == "DELETE";
  // A view token says itself whose view it is.
  const nobody = path.endsWith("/reads");
  /** @param {string | null | undefined} token */
  const send = (token) => {
    // Another user's token must not carry this one's click.
    if (changes && started != session) throw failed(replaced);
    // Without a user, the service would say the same.
    if (changes && !token) throw failed({ status: 401 });
    return exchange(`${options.base}/v1/${path}`, {
      method,
      // The visitor's cookie.
      credentials: "include",
      // A click just before the page is left counts too.
      keepalive: changes || nobody,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      // As text, which needs no preflight.
      body: body && JSON.stringify(body),
    });
  };
  // What anyone may ask is not refused because no token comes.
  const asVisitor = changes ? undefined : () => null;
  let used = nobody ? null : await token().catch(/** @type {any} */ (asVisitor));
  let answer = await send(used);
  if (answer.status == 401 && used) {
    used = await renewed(used).catch(/** @type {any} */ (asVisitor));
    answer = await send(used);
    if (answer.status == 401 && !changes) answer = await send(null);
  }
  if (answer.status) throw failed(answer.body);
  return answer.body;
}

/**
 * A request and the whole of its answer, in time; with a status if it has failed.
 *
 * @param {string} url
 * @param {RequestInit} init
 */
async function exchange(url, init) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT);
  try {
    const response = await fetch(url, { ...init, signal: controller.signal });
    if (response.ok) return { body: await response.json() };
    const { status, headers } = response;
    const problem = await response.json().catch(() => {});
    return { status, body: { ...problem, status, retryAfter: +(headers.get("Retry-After") ?? 0), requestId: headers.get("X-Request-Id") } };
  } finally {
    clearTimeout(timer);
  }
}

/** Of what a user began, and another came. */
export const replaced = { name: "UserChanged", title: "another user" };

/** @param {{ status?: number, title?: string, name?: string }} what @returns {Failure} */
export const failed = (what) => Object.assign(new Error(what.title), what);

/**
 * Whether a failed change may have been made, or may still be. So says every status that a gateway can give by itself.
 *
 * @param {Failure} failure
 */
export const inDoubt = ({ status = 500 }) => status >= 500;

/**
 * Ms until a failed request is worth sending again: as the service says, and longer each time. Undefined where it is not.
 *
 * @param {Failure} failure
 * @param {number} attempt how many have failed before
 * @param {number} [patience] how many times more, and longer, than a person who waits would
 */
export function pause(failure, attempt, patience = 1) {
  const seconds = Math.max(failure.retryAfter || 0, 2 ** attempt / 2);
  return attempt < RETRIES * patience && seconds <= LONGEST_WAIT * patience && (failure.status == 429 || inDoubt(failure))
    ? // Never sooner, and not all at once: after an outage the clients must not come back in one moment.
      seconds * (1000 + Math.random() * 500)
    : undefined;
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
