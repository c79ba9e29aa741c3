import { inTime, sleep } from "./browser.js";
import { based, changeUser, options, session } from "./options.js";
import { renewed, subject, token } from "./token.js";

/**
 * Why a request failed. `type` is that of RFC 9457, `retryAfter` in seconds. Without a `status` the network broke, or the
 * answer did not come in time, or the user has changed. `user` is whose change it was, if a token said so.
 *
 * @typedef {Error & { status?: number, type?: string, detail?: string, retryAfter?: number, requestId?: string, user?: string }} Failure
 */

const RETRIES = 3;
/** Seconds. Nobody looks at a button for longer: better say that it failed. */
const LONGEST_WAIT = 15;

/**
 * @param {string} method
 * @param {string} path below `/v1/`
 * @param {any} [body]
 * @param {{ user?: string }} [by] whose change it is, in all its attempts; the first token says so
 * @returns {Promise<any>} the answer's JSON; rejects with a {@link Failure}
 */
export async function request(method, path, body, by = {}) {
  await based;
  const started = session;
  const changes = method == "PUT" || method == "DELETE";
  // A view token says itself whose view it is.
  const nobody = !!body?.view_token;
  /** @param {string | null | undefined} token */
  const send = (token) => {
    const user = subject(token);
    // Somebody else has signed in, as in another tab, and the page has not noticed.
    if (changes && started == session && user && user != (by.user ??= user)) changeUser();
    // Another user's token must not carry this one's click.
    if (changes && started != session) throw replaced();
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
  if (answer instanceof Error) throw answer;
  return answer;
}

/**
 * A request and the whole of its answer, in time: its JSON, or a {@link Failure} with the service's status.
 *
 * @param {string} url
 * @param {RequestInit} init
 */
const exchange = (url, init) =>
  inTime(async (signal) => {
    const response = await fetch(url, { ...init, signal });
    if (response.ok) return response.json();
    const { status, headers } = response;
    const problem = await response.json().catch(() => {});
    return failed({ ...problem, status, retryAfter: +(headers.get("Retry-After") ?? 0), requestId: headers.get("X-Request-Id") });
  });

/** @param {{ status?: number, title?: string, name?: string }} what @returns {Failure} */
const failed = (what) => Object.assign(new Error(what.title), what);

/** Of what a user began, and another came. */
export const replaced = () => failed({ name: "UserChanged", title: "another user" });

/**
 * Whether a failed change may have been made, or may still be. So says every status that a gateway can give by itself.
 *
 * @param {Failure} failure
 */
export const inDoubt = ({ status = 500 }) => status >= 500;

/** Whether the same request may succeed later. @param {Failure} failure */
export const temporary = (failure) => failure.status == 429 || inDoubt(failure);

/**
 * Waits until a failed request is worth sending again: as the service says, and longer each time. False, at once, where it is not.
 *
 * @param {Failure} failure
 * @param {number} attempt how many have failed before
 * @param {number} [patience] how many times more, and longer, than a person who waits would
 */
export async function again(failure, attempt, patience = 1) {
  const seconds = Math.max(failure.retryAfter || 0, 2 ** attempt / 2);
  const worth = attempt < RETRIES * patience && seconds <= LONGEST_WAIT * patience && temporary(failure);
  // Never sooner, and not all at once: after an outage the clients must not come back in one moment.
  if (worth) await sleep(seconds * (1000 + Math.random() * 500));
  return worth;
}
