import { options } from "./options.js";

/** Far enough before an element comes into the window, it asks for what it shows. */
const NEAR = { rootMargin: "400px" };
const MIDDLE = { rootMargin: "-50% 0px" };

/**
 * Calls `tell` with whether the element meets a part of the window: at once, and at each change.
 *
 * @param {Element} element
 * @param {(meets: boolean) => void} tell
 * @param {IntersectionObserverInit} [part] by default what is near the window
 * @returns {() => void} ends it
 */
export function meeting(element, tell, part = NEAR) {
  const observer = new IntersectionObserver((entries) => {
    const { isIntersecting, intersectionRatio } = entries[entries.length - 1];
    tell(isIntersecting && intersectionRatio >= /** @type {number} */ (part.threshold ?? 0));
  }, part);
  observer.observe(element);
  return () => observer.disconnect();
}

/**
 * Calls `tell` with whether the element is in sight: a share of it, or, as it may be larger than the window, the part that
 * lies over the middle of the window.
 *
 * @param {Element} element
 * @param {(inSight: boolean) => void} tell
 * @returns {() => void} ends it
 */
export function sight(element, tell) {
  const met = [false, false];
  const ends = [{ threshold: options.share }, MIDDLE].map((part, index) =>
    meeting(element, (meets) => tell((met[index] = meets) || met[1 - index]), part),
  );
  return () => ends.forEach((end) => end());
}
