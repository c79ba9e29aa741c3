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
  return useMemo(() => snapshot(id, version > 0), [id, version]);
}

/** @param {string} id @param {boolean} live */
function snapshot(id, live) {
  const known = article(id);
  const toggles = kinds.map(({ name }) => {
    const { pressed, count, busy, set } = known[name];
    return [name, live ? { pressed, count, busy, set } : { pressed: false, count: null, busy: false, set }];
  });
  const { signedIn, counters } = known;
  return { ...(live ? { signedIn, counters: { ...counters } } : { counters: {} }), ...Object.fromEntries(toggles) };
}
