import { subject, token } from "./token.js";

// What a visitor clicked before signing in, so that it is done once they have: also where the sign-in is another page.

const KEY = "interaction-intent";
/** Ms. Who signs in later has forgotten the click. */
const KEPT = 10 * 60_000;

/** @param {string} article @param {string} kind @param {string} [user] whose session had ended; none if nobody was signed in */
export function remember(article, kind, user = "") {
  try {
    sessionStorage[KEY] = [article, kind, Date.now(), user];
  } catch {
    // The browser forbids it: the user clicks again.
  }
}

/** Whether this was clicked, and not by another user; the answer is yes only once. @param {string} article @param {string} kind */
export async function recall(article, kind) {
  try {
    // An article's id and a kind have no comma; a user's id may have some.
    const [of, name, at, ...user] = sessionStorage[KEY].split(",");
    if (of != article || name != kind) return false;
    delete sessionStorage[KEY];
    const by = user.join();
    return Date.now() - at < KEPT && (!by || by == subject(await token()));
  } catch {
    // Nothing was clicked, or the browser forbids this too.
  }
}
