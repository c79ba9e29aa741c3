// For React 18 and later: what is known of an article, as a hook.
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { article, watch } from "./index.js";
import { kinds } from "./kinds.js";

/**
 * What is known of the article, refreshed while the component is there. Another object at each change.
 *
 * @param {string} id
 */
export function useArticle(id) {
  const subscribe = useCallback((/** @type {() => void} */ changed) => watch(id, changed), [id]);
  // 0 for what a server renders, and for the first rendering in the browser, which must be equal to it.
  const version = useSyncExternalStore(subscribe, () => article(id).version, () => 0);
  return useMemo(() => (version ? snapshot(id) : unknown(id)), [id, version]);
}

/** @param {string} id */
function snapshot(id) {
  const known = article(id);
  const { signedIn, counters } = known;
  const toggle = (/** @type {Name} */ name) => {
    const { pressed, count, busy, set } = known[name];
    return { pressed, count, busy, set };
  };
  return { signedIn, counters: { ...counters }, ...each(toggle) };
}

/** Without asking for the article: a server would keep each that it has ever rendered. @param {string} id */
const unknown = (id) => ({
  counters: {},
  ...each((name) => ({ pressed: false, count: null, busy: false, set: (/** @type {boolean} */ on) => article(id)[name].set(on) })),
});

/** @typedef {(typeof kinds)[number]["name"]} Name */

/** A toggle of each kind. @param {(name: Name) => object} toggle @returns {any} */
const each = (toggle) => Object.fromEntries(kinds.map(({ name }) => [name, toggle(name)]));
