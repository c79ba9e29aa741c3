import { article, changed } from "./article.js";
import { based, onConfigure, options } from "./options.js";
import { pause, request, sleep } from "./request.js";
import { sight } from "./sight.js";

/** A reader does not wait for the report of a read, so it may be sent more often and later than a click. */
const PATIENCE = 4;

/**
 * Where an article is shown.
 *
 * @typedef {{ element: Element, inSight: boolean }} Place
 *
 * @typedef {object} Showing
 * @property {Set<Place>} places
 * @property {(event?: Event) => void} look
 */

/** @type {Map<string, Showing>} */
const showings = new Map();

/**
 * Counts a view of the article when the element is first in sight, and a read once it was in sight for long enough. However
 * many elements show one article at a time, it is one view.
 *
 * @param {string} id
 * @param {Element} element
 * @returns {() => void} ends it: the article is not shown there any more
 */
export function track(id, element) {
  const showing = showings.get(id) ?? show(id, article(id));
  showings.set(id, showing);
  const place = { element, inSight: false };
  showing.places.add(place);
  const end = sight(element, (inSight) => {
    place.inSight = inSight;
    showing.look();
  });
  return () => {
    end();
    // Later: an element that is only moved is taken out and put in again.
    setTimeout(() => {
      showing.places.delete(place);
      if (!showing.places.size) showings.delete(id);
      showing.look();
    });
  };
}

/** Whether nobody is to be counted here: a program, the site's own staff, or a visitor who has not agreed. */
function uncounted() {
  try {
    if (localStorage.getItem("interaction-ignore")) return true;
  } catch {
    // The browser forbids it.
  }
  return navigator.webdriver || options.visitors == "none";
}

/**
 * Whether the page and the service are surely of different sites, because their names end differently. Then the cookie would
 * not come back, and each view would be another visitor.
 */
function elsewhere() {
  const [page, service] = ["", `${options.base}/`].map((url) => new URL(url, location.href).hostname.split(".").slice(-2).join());
  return page != service;
}

/** @param {Place} place */
const visible = ({ element, inSight }) =>
  inSight && (element.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true);

/**
 * @param {string} id
 * @param {import("./article.js").Article} shown
 * @returns {Showing}
 */
function show(id, shown) {
  const path = `articles/${encodeURIComponent(id)}`;
  /** @type {Set<Place>} */
  const places = new Set();
  /** @type {object | undefined} the view of this showing, once it is sent */
  let view;
  /** @type {string | undefined} until it is handed in */
  let token;
  /** @type {object | undefined} the read, while it is handed in */
  let pending;
  let needed = 0;
  /** Ms that it was in sight since the view, up to `since`. */
  let seen = 0;
  /** @type {number | undefined} since when it is in sight */
  let since;
  let attempt = 0;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;

  const look = (/** @type {any} */ { type, persisted } = {}) => {
    clearTimeout(timer);
    const now = performance.now();
    if (since != null) seen += now - since;
    since = undefined;
    // Back from the browser's cache of pages: shown again.
    if (persisted && type == "pageshow") {
      view = token = undefined;
      seen = 0;
    }
    // The page may not live to see the answer. A read counts once, however often it is handed in.
    if (document.hidden && pending) navigator.sendBeacon?.(`${options.base}/v1/${path}/reads`, JSON.stringify(pending));
    // A page that is prepared in the background is viewed when it is seen.
    if (document.hidden || /** @type {any} */ (document).prerendering || uncounted()) return;
    if (![...places].some(visible)) return;
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
      await based;
      const cookieless = options.visitors ? options.visitors == "cookieless" : elsewhere();
      const body = cookieless ? { consent: false } : undefined;
      const answer = await request("POST", `${path}/views`, body);
      if (view != own) return;
      token = answer.view_token;
      needed = Math.max(answer.read_after_seconds, options.seconds) * 1000;
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

  const read = async () => {
    const own = (pending = { view_token: token });
    token = since = undefined;
    for (let attempt = 0; ; )
      try {
        const { reads, counted } = await request("POST", `${path}/reads`, own);
        if (pending == own) pending = undefined;
        shown.counters.reads = reads;
        changed(shown);
        const detail = { article: id, reads, counted };
        const [place] = places;
        place?.element.dispatchEvent(new CustomEvent("interaction-read", { bubbles: true, composed: true, detail }));
        return;
      } catch (failure) {
        const ms = pause(/** @type {any} */ (failure), attempt++, PATIENCE);
        // What is left is the beacon, when the page is.
        if (!ms) return;
        await sleep(ms);
      }
  };

  return { places, look };
}

const lookAll = (/** @type {any} */ happened = {}) => {
  for (const { look } of showings.values()) look(happened);
};

for (const event of ["visibilitychange", "pageshow"]) globalThis.addEventListener?.(event, lookAll);
// This one does not reach the window.
globalThis.document?.addEventListener("prerenderingchange", lookAll);
// A visitor may agree only now.
onConfigure(() => lookAll());
