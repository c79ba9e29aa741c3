import { options, session } from "./options.js";

/**
 * Why a request failed. `type` is that of RFC 9457, `retryAfter` in seconds. Without a `status` the network broke or the
 * answer did not come in time.
 *
 * @typedef {Error & { status?: number, type?: string, retryAfter?: number }} Failure
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
  const started = session;
  const changes = method == "PUT" || method == "DELETE";
  /** @param {boolean} refused */
  const send = async (refused) => {
    const token = await options.token(refused);
    // Without a user, the service would say 401; and another user's token must not carry this one's click.
    if (changes && (!token || started != session)) throw failed({ status: 401 });
    return fetch(`${options.base}/v1/${path}`, {
      method,
      // The visitor's cookie.
      credentials: "include",
      // A click just before the page is left counts too.
      keepalive: changes,
      signal: AbortSignal.timeout(TIMEOUT),
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      // As text, which needs no preflight.
      body: body && JSON.stringify(body),
    });
  };
  let response = await send(false);
  if (response.status == 401) response = await send(true);
  if (response.ok) return response.json();
  throw failed({
    ...(await response.json().catch(() => {})),
    status: response.status,
    retryAfter: Number(response.headers.get("Retry-After")),
  });
}

/** @param {{ status: number, title?: string }} what @returns {Failure} */
const failed = (what) => Object.assign(new Error(what.title), what);

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
 */
export function pause(failure, attempt) {
  const seconds = Math.max(failure.retryAfter || 0, 2 ** attempt / 2);
  return attempt < RETRIES && seconds <= LONGEST_WAIT && (failure.status == 429 || inDoubt(failure))
    ? // Never sooner, and not all at once: after an outage the clients must not come back in one moment.
      seconds * (1000 + Math.random() * 500)
    : undefined;
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
