// What a visitor clicked before signing in, so that it is done once they have: also where the sign-in is another page.

const KEY = "interaction-intent";
/** Ms. Who signs in later has forgotten the click. */
const KEPT = 10 * 60_000;

/** @param {string} article @param {string} kind */
export function remember(article, kind) {
  try {
    sessionStorage[KEY] = [article, kind, Date.now()];
  } catch {
    // The browser forbids it: the user clicks again.
  }
}

/** Whether this was clicked; the answer is yes only once. @param {string} article @param {string} kind */
export function recall(article, kind) {
  try {
    // Without a comma in an id or a kind.
    const [of, name, at] = sessionStorage[KEY].split(",");
    if (of != article || name != kind) return false;
    delete sessionStorage[KEY];
    return Date.now() - at < KEPT;
  } catch {
    // Nothing was clicked, or the browser forbids this too.
  }
}
