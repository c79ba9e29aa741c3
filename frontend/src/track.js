import { article, articles, changed, learnCounters } from "./article.js";
import { emit, listen } from "./browser.js";
import { based, onConfigure, options } from "./options.js";
import { again, request } from "./request.js";
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
 * @property {(happened?: any) => void} look
 */

/**
 * Counts a view of the article when the element is first in sight, and a read once it was in sight for long enough. However
 * many elements show one article at a time, it is one view.
 *
 * @param {string} id
 * @param {Element} element
 * @returns {() => void} ends it: the article is not shown there any more
 */
export function track(id, element) {
  const shown = article(id);
  const showing = (shown.showing ??= show(shown));
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
      if (!showing.places.size) shown.showing = undefined;
      showing.look();
    });
  };
}

/** Whether nobody is to be counted here: a program, the site's own staff, or a visitor who has not agreed. */
function uncounted() {
  try {
    if (localStorage["interaction-ignore"]) return true;
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
  const site = (/** @type {string} */ url) => new URL(url, location.href).hostname.split(".").slice(-2).join();
  return site("") != site(options.base);
}

/** @param {Place} place */
const visible = ({ element, inSight }) =>
  inSight && (element.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true);

/** @param {import("./article.js").Article} shown @returns {Showing} */
function show(shown) {
  /** @type {Set<Place>} */
  const places = new Set();
  /** @type {object | undefined} the view of this showing, once it is sent */
  let view;
  /** @type {any} the service's answer to it, until the read is handed in; without a token if it counted nothing */
  let answer;
  /** @type {object | undefined} the read, while it is handed in */
  let pending;
  /** Ms that it was in sight since the view, up to `since`. */
  let seen = 0;
  /** @type {number | undefined} since when it is in sight */
  let since;
  let attempt = 0;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;

  /** @param {any} [happened] */
  const look = (happened) => {
    clearTimeout(timer);
    const now = performance.now();
    seen += now - (since ?? now);
    since = undefined;
    // Back from the browser's cache of pages: shown again.
    if (happened?.persisted) {
      view = answer = undefined;
      seen = 0;
    }
    // The page may not live to see the answer. A read counts once, however often it is handed in.
    if (document.hidden && pending) navigator.sendBeacon?.(`${options.base}/v1/${shown.path}/reads`, JSON.stringify(pending));
    // A page that is prepared in the background is viewed when it is seen.
    if (document.hidden || /** @type {any} */ (document).prerendering || uncounted()) return;
    if (![...places].some(visible)) return;
    if (!view) report();
    if (answer?.view_token) {
      since = now;
      timer = setTimeout(read, Math.max(answer.read_after_seconds, options.seconds) * 1000 - seen);
    }
  };

  const report = async () => {
    /** @type {object} */
    const own = (view = {});
    try {
      await based;
      const cookieless = options.visitors ? options.visitors == "cookieless" : elsewhere();
      const body = cookieless ? { consent: false } : undefined;
      const viewed = await request("POST", `${shown.path}/views`, body);
      if (view != own) return;
      answer = viewed;
      learnCounters(shown, answer);
      changed(shown);
    } catch (error) {
      const failure = /** @type {any} */ (error);
      // One that may have counted is not sent again: it would count twice.
      if (!/-warm|limited|backlogged/.test(failure.type) || !(await again(failure, attempt++)) || view != own) return;
      view = undefined;
    }
    look();
  };

  const read = async () => {
    const own = (pending = { view_token: answer.view_token });
    answer = since = undefined;
    for (let attempt = 0; ; )
      try {
        const answer = await request("POST", `${shown.path}/reads`, own);
        if (pending == own) pending = undefined;
        learnCounters(shown, answer);
        changed(shown);
        const { reads, counted } = answer;
        const [place] = places;
        return emit(place?.element, "interaction-read", { article: shown.id, reads, counted });
      } catch (failure) {
        // What is left is the beacon, when the page is.
        if (!(await again(/** @type {any} */ (failure), attempt++, PATIENCE))) return;
      }
  };

  return { places, look };
}

/** @param {any} happened an event, or a change of options */
const lookAll = (happened) => {
  for (const { showing } of articles.values()) showing?.look(happened);
};

listen(lookAll, "visibilitychange", "pageshow", "prerenderingchange");
// A visitor may agree only now.
onConfigure(lookAll);
