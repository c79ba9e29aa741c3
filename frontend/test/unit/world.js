// A page without a browser: a clock that only tests move, a network that only tests answer. Import it before the module.
import { kinds } from "../../src/kinds.js";

/** @typedef {{ method: string, path: string, token: string | undefined, body: any, resolve: Function, reject: Function }} Sent */

let now = 1;
/** @type {Map<number, { at: number, run: () => void }>} */
const timers = new Map();
let last = 0;
const page = new EventTarget();
const real = setImmediate;

/** @type {Sent[]} what was sent and not yet answered */
export const sent = [];
/** @type {string[]} every request so far, as "PUT /v1/…" */
export const log = [];
/** @type {{ url: string, body: any }[]} */
export const beacons = [];

/** Every element is in sight. */
class IntersectionObserver {
  /** @param {(entries: object[]) => void} tell */
  constructor(tell) {
    this.observe = () => tell([{ isIntersecting: true, intersectionRatio: 1, rootBounds: {} }]);
  }
  disconnect() {}
}

const globals = {
  IntersectionObserver,
  reportError: () => {},
  location: { href: "https://www.example/page" },
  performance: { now: () => now },
  document: { hidden: false, prerendering: false, addEventListener: page.addEventListener.bind(page) },
  navigator: {
    onLine: true,
    webdriver: false,
    sendBeacon: (/** @type {string} */ url, /** @type {string} */ body) =>
      beacons.push({ url, body: JSON.parse(body) }) > 0,
  },
  setTimeout: (/** @type {(...all: any[]) => void} */ run, ms = 0, /** @type {any[]} */ ...all) => {
    timers.set(++last, { at: now + ms, run: () => run(...all) });
    return last;
  },
  clearTimeout: (/** @type {number} */ id) => timers.delete(id),
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
  fetch: (/** @type {string} */ path, /** @type {any} */ { method, headers, body }) =>
    new Promise((resolve, reject) => {
      log.push(`${method} ${path}`);
      const token = headers.Authorization?.replace("Bearer ", "");
      sent.push({ method, path, token, body: body && JSON.parse(body), resolve, reject });
    }),
};
for (const [name, value] of Object.entries(globals))
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
// The longest of the waits that chance may lengthen is tested as the shortest.
Math.random = () => 0;

/** A JSON Web Token of that user. @param {string} sub @param {number} exp */
export const jwt = (sub, exp) => `e30.${Buffer.from(JSON.stringify({ sub, exp })).toString("base64url")}.s`;

/** Lets everything run that waits for no timer. */
export const settle = async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((done) => real(done));
};

/** @param {number} ms */
export async function pass(ms) {
  const end = now + ms;
  await settle();
  for (;;) {
    const due = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
    if (!due) break;
    timers.delete(due[0]);
    now = Math.max(now, due[1].at);
    due[1].run();
    await settle();
  }
  now = end;
}

/**
 * Answers the oldest request with that method and path; fails if there is none.
 *
 * @param {string} request as "PUT like": the method and the end of the path
 * @param {number} status 0 for a network that breaks
 * @param {any} [body]
 * @param {Record<string, string>} [headers]
 */
export async function answer(request, status, body = {}, headers = {}) {
  await settle();
  const [method, end] = request.split(" ");
  const index = sent.findIndex((one) => one.method == method && one.path.endsWith(end));
  if (index < 0) throw new Error(`no ${request} among ${sent.map(({ method, path }) => `${method} ${path}`)}`);
  const [{ token, resolve, reject }] = sent.splice(index, 1);
  if (status) resolve(new Response(JSON.stringify(body), { status, headers }));
  else reject(new TypeError("network error"));
  await settle();
  return token;
}

/** What is under way of one article, as "PUT like". @param {string} id */
export const underWay = (id) => {
  const own = sent.filter(({ path }) => path.includes(`articles/${id}/`));
  return own.map(({ method, path }) => `${method} ${path.split("/").pop()}`);
};

/** @param {string} name @param {object} [properties] */
export async function happens(name, properties) {
  page.dispatchEvent(Object.assign(new Event(name), properties));
  await settle();
}

/** @param {boolean} hidden */
export async function hide(hidden) {
  globals.document.hidden = hidden;
  await happens("visibilitychange");
}

const { sendBeacon } = globals.navigator;
/** Gives the browser another way to send beacons, or none. @param {any} other */
export function beacon(other) {
  globals.navigator.sendBeacon = other;
}

/** Whether the page is only prepared, in case its user goes there. @param {boolean} prerendering */
export async function prepare(prerendering) {
  globals.document.prerendering = prerendering;
  await happens("prerenderingchange");
}

/** Whether a program drives the browser. @param {boolean} webdriver */
export function drive(webdriver) {
  globals.navigator.webdriver = webdriver;
}

/** @param {boolean} onLine */
export async function connect(onLine) {
  globals.navigator.onLine = onLine;
  await happens(onLine ? "online" : "offline");
}

/** Ends what is under way, as it would with the page: the next test begins with nothing. */
export async function clear() {
  hide(false);
  prepare(false);
  drive(false);
  beacon(sendBeacon);
  connect(true);
  do {
    for (const { resolve } of sent.splice(0)) resolve(new Response("{}", { status: 400 }));
    await pass(60_000);
  } while (sent.length);
  timers.clear();
  log.length = beacons.length = 0;
}

/**
 * The answer for an article that nobody has touched, or what `values` say.
 *
 * @param {string} id
 * @param {boolean | null} user null for a visitor; false for a user, who has switched nothing on
 * @param {object} [values]
 */
export const item = (id, user, values) => ({
  article_id: id,
  ...Object.fromEntries(kinds.map(({ count }) => [count, 0])),
  ...{ pv: 0, uv: 0, reads: 0 },
  ...Object.fromEntries(kinds.map(({ on }) => [on, user])),
  stale: false,
  ...values,
});

/** A promise's outcome so far, without waiting for it. @param {Promise<unknown>} promise */
export function outcome(promise) {
  /** @type {{ state: string, error?: any }} */
  const seen = { state: "pending" };
  promise.then(
    () => (seen.state = "done"),
    (error) => Object.assign(seen, { state: "failed", error }),
  );
  return seen;
}
