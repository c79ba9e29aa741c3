import { options } from "./options.js";

/** @typedef {IntersectionObserverInit & { meets?: (entry: IntersectionObserverEntry) => boolean }} Part of the window */

/** Far enough before an element comes into the window, it asks for what it shows. */
const NEAR = { rootMargin: "400px" };

/** @type {Part} */
const MIDDLE = {
  rootMargin: "-50% 0px",
  // In a frame of another site, a browser ignores the margin, and hides where the window is: one pixel would be in the middle.
  // There it has to be a share of the window. A frame may be higher than the window; the screen is not lower.
  meets: ({ rootBounds, intersectionRect }) =>
    !!rootBounds || intersectionRect.height >= options.share * Math.min(innerHeight, screen.height),
  // For such a frame. So many, because a window may be a small part of a long article.
  threshold: Array.from({ length: 1000 }, (_, index) => index / 1000),
};

/**
 * Calls `tell` with whether the element meets one of these parts of the window: at once, and at each change.
 *
 * @param {Element} element
 * @param {(meets: boolean) => void} tell
 * @param {Part[]} parts
 * @returns {() => void} ends it
 */
function meeting(element, tell, ...parts) {
  /** @type {boolean[]} */
  const met = [];
  const observers = parts.map((part, index) => {
    const observer = new IntersectionObserver((entries) => {
      const entry = /** @type {IntersectionObserverEntry} */ (entries.pop());
      met[index] = entry.isIntersecting && (part.meets?.(entry) ?? true);
      tell(met.includes(true));
    }, part);
    observer.observe(element);
    return observer;
  });
  return () => observers.forEach((observer) => observer.disconnect());
}

/**
 * Calls `tell` with whether the element is near the window, at once, and at each change.
 *
 * @param {Element} element
 * @param {(near: boolean) => void} tell
 * @returns {() => void} ends it
 */
export const nearness = (element, tell) => meeting(element, tell, NEAR);

/**
 * Calls `tell` with whether the element is in sight: a share of it, or, as it may be larger than the window, the part that
 * lies over the middle of the window.
 *
 * @param {Element} element
 * @param {(inSight: boolean) => void} tell
 * @returns {() => void} ends it
 */
export function sight(element, tell) {
  const { share } = options;
  return meeting(element, tell, { threshold: share, meets: ({ intersectionRatio }) => intersectionRatio >= share }, MIDDLE);
}
