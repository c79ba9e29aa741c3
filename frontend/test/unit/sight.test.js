// When an article counts as in sight, by the entries that a browser reports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sight } from "../../src/sight.js";

/** @type {{ tell: (entries: object[]) => void, threshold: number | number[] }[]} what the element's observers are called with */
let observers = [];
class IntersectionObserver {
  /** @param {(entries: object[]) => void} tell @param {any} part */
  constructor(tell, { threshold }) {
    observers.push({ tell, threshold });
  }
  observe() {}
}

/**
 * Whether an element counts as in sight of which so much is.
 *
 * @param {number} height
 * @param {number} of its height
 * @param {{ rootBounds: object | null, frame: number }} where
 */
function seen(height, of, { rootBounds, frame }) {
  Object.assign(globalThis, { IntersectionObserver, innerHeight: frame, screen: { height: 800 } });
  observers = [];
  let inSight = false;
  sight(/** @type {Element} */ ({}), (now) => (inSight = now));
  for (const { tell } of observers)
    tell([{ isIntersecting: true, intersectionRatio: height / of, intersectionRect: { height }, rootBounds }]);
  return inSight;
}

test("in a frame of another site, half of the window has to show a long article, or half of a short one be shown", () => {
  const where = { rootBounds: null, frame: 600 };
  assert.deepEqual([1, 299, 300].map((height) => seen(height, 20_000, where)), [false, false, true]);
  assert.deepEqual([49, 50].map((height) => seen(height, 100, where)), [false, true]);
});

test("if the frame is as high as the article, what the window shows of it is enough", () => {
  const where = { rootBounds: null, frame: 20_000 };
  assert.deepEqual([399, 400].map((height) => seen(height, 20_000, where)), [false, true]);
});

test("a browser tells of it between half a window and a whole one, also of a very long article", () => {
  seen(1, 100_000, { rootBounds: null, frame: 600 });
  const [, { threshold }] = observers;
  assert.ok([threshold].flat().some((share) => share >= 300 / 100_000 && share < 600 / 100_000));
});

test("elsewhere a long article is in sight where it lies over the middle, of which nothing is a share", () => {
  assert.equal(seen(0, 20_000, { rootBounds: {}, frame: 600 }), true);
});
