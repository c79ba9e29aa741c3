/**
 * What the page tells the module, once for all elements.
 *
 * @typedef {{ [when: string | number]: string }} Texts
 *   Shown beside a button, and read out: by the status of a failure (401 nobody is signed in, 403 the user is barred, 429
 *   clicked too often), `failed` for any other, `offline` while a click waits for the network; `signIn` is the link's text.
 *
 * @typedef {object} Options
 * @property {string} base Where the service answers, without `/v1`: `""` for the page's own origin. Until it is known, every
 *   request waits.
 * @property {(refused: boolean) => string | null | undefined | Promise<string | null | undefined>} token
 *   The signed-in user's token, or nothing for a visitor. Asked for each request; with `true` when the service has just
 *   refused the last one, so that a new one can be fetched.
 * @property {string | (() => string)} [signIn] The address of the site's sign-in, for the link beside a refused click.
 * @property {"cookie" | "cookieless" | "none" | undefined} [visitors] How views are counted: with the service's cookie, without
 *   it, or not at all. A visitor who has not yet agreed is `cookieless` or `none`. By default with the cookie, unless the
 *   service is another site than the page, where browsers send none.
 * @property {number} share The part of an article, or of the window, that has to be in sight for the article to be viewed.
 * @property {number} seconds In sight until a view is a read. The service asks for five at least.
 * @property {number} refresh Seconds between refreshes of what is in sight; 0 for none.
 * @property {Texts} texts
 */

/** @type {Options} */
export const options = {
  base: "",
  token: () => null,
  share: 0.5,
  seconds: 5,
  refresh: 30,
  texts: {
    401: "Sign in first.",
    403: "Not allowed.",
    429: "Too fast. Try later.",
    offline: "Offline. Sent later.",
    failed: "Not saved. Try again.",
    signIn: "Sign in",
  },
};

/** @type {() => void} */
let ready;

/** Settles when `base` is known. @type {Promise<void>} */
export const based = new Promise((done) => (ready = done));

/** Changes with the user: what was begun for the one before must not go on for the next. */
export let session = 0;

/** @type {Set<(another: boolean) => void>} */
const listeners = new Set();

/** Calls `listener` at each change of options, with `true` if the user may be another. @param {(another: boolean) => void} listener */
export const onConfigure = (listener) => listeners.add(listener);

/**
 * Changes options. Another `token` or `base` is another user.
 *
 * @param {Partial<Options>} changes
 */
export function configure({ texts, ...changes }) {
  const { token, base } = options;
  Object.assign(options, changes);
  Object.assign(options.texts, texts);
  options.base = options.base.replace(/\/+$/, "");
  // From a tag it is a text.
  options.refresh = +options.refresh;
  if (changes.base != null) ready();
  tell(token != options.token || base != options.base);
}

/** The user has signed in or out: what was known of the one before is forgotten, and what they began is not sent. */
export const changeUser = () => tell(true);

/** @param {boolean} another */
function tell(another) {
  if (another) session++;
  for (const listener of listeners) listener(another);
}
