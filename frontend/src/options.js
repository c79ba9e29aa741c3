/**
 * What the page tells the module, once for all elements.
 *
 * @typedef {{ [when: string | number]: string }} Texts
 *   Shown beside a button, and read out: by the status of a failure (401 nobody is signed in, 403 the user is barred, 429
 *   clicked too often), `failed` for any other, `offline` while a click waits for the network.
 *
 * @typedef {object} Options
 * @property {string} base Where the service answers, without `/v1`: `""` for the page's own origin.
 * @property {(refused: boolean) => string | null | undefined | Promise<string | null | undefined>} token
 *   The signed-in user's token, or nothing for a visitor. Asked for each request; with `true` when the service has just
 *   refused the last one, so that a new one can be fetched.
 * @property {boolean} consent False where the visitor has not agreed to be known again: views then set no cookie.
 * @property {number} refresh Seconds between refreshes of what a visible page shows; 0 for none.
 * @property {Texts} texts
 */

/** @type {Options} */
export const options = {
  base: "",
  token: () => null,
  consent: true,
  refresh: 30,
  texts: {
    401: "Sign in first.",
    403: "Not allowed.",
    429: "Too fast. Try later.",
    offline: "Offline. Sent later.",
    failed: "Not saved. Try again.",
  },
};

/** Changes with the user: what was begun for the one before must not go on for the next. */
export let session = 0;

export const changeUser = () => session++;
