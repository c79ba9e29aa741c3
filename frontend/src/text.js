/** The language of the place where the element is, through shadow trees, as `lang` says. @param {Element} element */
function language(element) {
  for (let at = element; at; at = /** @type {any} */ (at.getRootNode()).host) {
    const found = /** @type {HTMLElement | null} */ (at.closest("[lang]"))?.lang;
    if (found) return found;
  }
  return undefined;
}

/**
 * @typedef {object} Words how a language writes numbers
 * @property {Intl.NumberFormat} short as 1.2K
 * @property {Intl.NumberFormat} full as 1,234
 * @property {Intl.PluralRules} plural
 */

/** Making these takes longer than using them, and a list has thousands of numbers. @type {Map<string | undefined, Words>} */
const known = new Map();

/** @param {Element} element @returns {Words} */
export function words(element) {
  const tag = language(element);
  const made = known.get(tag) ?? make(tag);
  known.set(tag, made);
  return made;
}

/** @param {string | undefined} tag @returns {Words} */
function make(tag) {
  // Cut, because 1,999 likes are not 2K.
  const short = /** @type {const} */ ({ notation: "compact", maximumFractionDigits: 1, roundingMode: "trunc" });
  try {
    return {
      short: new Intl.NumberFormat(tag, short),
      full: new Intl.NumberFormat(tag),
      plural: new Intl.PluralRules(tag),
    };
  } catch {
    // The page says something that is no language.
    return make(undefined);
  }
}
