import { options } from "./options.js";

/**
 * Calls `changed` when the element comes into sight or leaves it, and once at the beginning. In sight is a share of it, or, as
 * it may be larger than the window, the part that lies over the middle of the window.
 *
 * @param {Element} element
 * @param {(inSight: boolean) => void} changed
 * @returns {() => void} ends it
 */
export function observe(element, changed) {
  if (!globalThis.IntersectionObserver) return changed(true), () => {};
  const { share } = options;
  let enough = false;
  let middle = false;
  const tell = () => changed(enough || middle);
  const observers = [
    new IntersectionObserver(
      (entries) => {
        const { isIntersecting, intersectionRatio } = entries[entries.length - 1];
        enough = isIntersecting && intersectionRatio >= share;
        tell();
      },
      { threshold: share },
    ),
    new IntersectionObserver(
      (entries) => {
        middle = entries[entries.length - 1].isIntersecting;
        tell();
      },
      { rootMargin: "-50% 0px" },
    ),
  ];
  for (const observer of observers) observer.observe(element);
  return () => {
    for (const observer of observers) observer.disconnect();
  };
}

/** How far from the window an element begins to ask for what it shows. */
const NEAR = "400px";
/** @type {WeakMap<Element, (near: boolean) => void>} */
const approached = new WeakMap();
/** One for all, as there may be thousands. @type {IntersectionObserver | undefined} */
let nearby;

/**
 * Calls `changed` when the element comes near the window or leaves that neighbourhood, and once at the beginning.
 *
 * @param {Element} element
 * @param {(near: boolean) => void} changed
 * @returns {() => void} ends it
 */
export function approach(element, changed) {
  if (!globalThis.IntersectionObserver) return changed(true), () => {};
  const observer = (nearby ??= new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) approached.get(target)?.(isIntersecting);
    },
    { rootMargin: NEAR },
  ));
  approached.set(element, changed);
  observer.observe(element);
  return () => observer.unobserve(element);
}
