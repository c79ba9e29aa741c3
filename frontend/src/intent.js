// What a visitor clicked before signing in, so that it is done once they have: also where the sign-in is another page.

const KEY = "interaction-intent";
/** Ms. Who signs in later has forgotten the click. */
const KEPT = 10 * 60_000;

/** @param {string} article @param {string} kind */
export function remember(article, kind) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify([article, kind, Date.now()]));
  } catch {
    // The browser forbids it: the user clicks again.
  }
}

/** Whether this was clicked; the answer is yes only once. @param {string} article @param {string} kind */
export function recall(article, kind) {
  try {
    const [of, name, at] = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    if (of != article || name != kind) return false;
    sessionStorage.removeItem(KEY);
    return Date.now() - at < KEPT;
  } catch {
    return false;
  }
}
