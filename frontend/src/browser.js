// What a browser has, in the way that this module needs it.

/** Ms. The service answers within two seconds; after five it will not. No page must wait longer for its own sign-in either. */
const TIMEOUT = 5000;

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * What `work` returns, or a failure if that takes too long. Then the signal ends what is still under way.
 *
 * @param {(signal: AbortSignal) => Promise<any>} work
 */
export function inTime(work) {
  const controller = new AbortController();
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(reject, TIMEOUT, Error("not in time"))));
  return Promise.race([work(controller.signal), late]).finally(() => {
    clearTimeout(timer);
    controller.abort();
  });
}

/**
 * Calls `listener` at events anywhere in the page, also at those that do not bubble. A server has none.
 *
 * @param {(event: any) => void} listener
 * @param {...string} names
 */
export function listen(listener, ...names) {
  for (const name of names) globalThis.addEventListener?.(name, listener, { capture: true, passive: true });
}

/**
 * Tells the page, also from within a shadow tree.
 *
 * @param {Element | undefined} element
 * @param {string} type
 * @param {object} detail
 */
export const emit = (element, type, detail) =>
  element?.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
