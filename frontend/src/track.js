import { article, changed } from "./article.js";
import { options } from "./options.js";
import { pause, request, sleep } from "./request.js";

/** @typedef {{ users: number, look: (event?: Event) => void }} Showing */

/** @type {Map<string, Showing>} */
const showings = new Map();

/**
 * Counts a view of the article, and a read once it was visible for long enough. However many track one article at a time,
 * it is one view.
 *
 * @param {string} id
 * @returns {() => void} ends it: the article is not shown any more
 */
export function track(id) {
  const showing = showings.get(id) ?? show(id, article(id));
  showings.set(id, showing);
  showing.users++;
  return () =>
    // Later: an element that is only moved is taken out and put in again.
    setTimeout(() => {
      if (--showing.users) return;
      showings.delete(id);
      showing.look();
    });
}

/**
 * @param {string} id
 * @param {import("./article.js").Article} shown
 * @returns {Showing}
 */
function show(id, shown) {
  /** @type {object | undefined} the view of this showing, once it is sent */
  let view;
  /** @type {string | undefined} until it is handed in */
  let token;
  let needed = 0;
  /** Ms that it was visible since the view, up to `since`. */
  let seen = 0;
  /** @type {number | undefined} since when it is visible */
  let since;
  let attempt = 0;

  const look = (/** @type {any} */ event = {}) => {
    clearTimeout(timer);
    const now = performance.now();
    if (since != null) seen += now - since;
    since = undefined;
    // Back from the browser's cache of pages: shown again.
    if (event.persisted) {
      view = token = undefined;
      seen = 0;
    }
    // A page that is prepared in the background is viewed when it is seen; nobody sees one that a program drives.
    if (!showing.users || document.hidden || /** @type {any} */ (document).prerendering || navigator.webdriver) return;
    if (!view) report();
    if (token) {
      since = now;
      timer = setTimeout(read, needed - seen);
    }
  };

  const report = async () => {
    /** @type {object} */
    const own = (view = {});
    try {
      const body = options.consent ? undefined : { consent: false };
      const answer = await request("POST", `articles/${encodeURIComponent(id)}/views`, body);
      if (view != own) return;
      token = answer.view_token;
      needed = answer.read_after_seconds * 1000;
      Object.assign(shown.counters, answer);
      changed(shown);
    } catch (error) {
      const failure = /** @type {import("./request.js").Failure} */ (error);
      // One that may have counted is not sent again: it would count twice.
      const ms = /-warm|limited|backlogged/.test(failure.type ?? "") && pause(failure, attempt++);
      if (!ms) return;
      await sleep(ms);
      if (view != own) return;
      view = undefined;
    }
    look();
  };

  const read = () => {
    // A beacon outlives the page.
    navigator.sendBeacon(`${options.base}/v1/articles/${encodeURIComponent(id)}/reads`, JSON.stringify({ view_token: token }));
    token = since = undefined;
  };

  // Later, so that the page can configure first.
  let timer = setTimeout(look);
  const showing = { users: 0, look };
  return showing;
}

const lookAll = (/** @type {Event} */ happened) => {
  for (const { look } of showings.values()) look(happened);
};
for (const event of ["visibilitychange", "pageshow"]) globalThis.addEventListener?.(event, lookAll);
// This one does not reach the window.
globalThis.document?.addEventListener?.("prerenderingchange", lookAll);
