import { options } from "./options.js";

/** Far enough before an element comes into the window, it asks for what it shows. */
const NEAR = { rootMargin: "400px" };
const MIDDLE = { rootMargin: "-50% 0px" };

/**
 * Calls `tell` with whether the element meets one of these parts of the window: at once, and at each change.
 *
 * @param {Element} element
 * @param {(meets: boolean) => void} tell
 * @param {{ rootMargin?: string, threshold?: number }[]} parts
 * @returns {() => void} ends it
 */
function meeting(element, tell, ...parts) {
  /** @type {boolean[]} */
  const met = [];
  const observers = parts.map((part, index) => {
    const observer = new IntersectionObserver((entries) => {
      const { isIntersecting, intersectionRatio } = /** @type {IntersectionObserverEntry} */ (entries.pop());
      met[index] = isIntersecting && intersectionRatio >= (part.threshold ?? 0);
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
export const sight = (element, tell) => meeting(element, tell, { threshold: options.share }, MIDDLE);
