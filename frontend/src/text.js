/**
 * The language of the place where the element is, through shadow trees, as `lang` says.
 *
 * @param {Element | undefined} at
 * @returns {string | undefined}
 */
const language = (at) =>
  at && (/** @type {HTMLElement | null} */ (at.closest("[lang]"))?.lang || language(/** @type {any} */ (at.getRootNode()).host));

/**
 * @typedef {object} Words how a language writes numbers
 * @property {Intl.NumberFormat} short as 1.2K
 * @property {Intl.NumberFormat} full as 1,234
 * @property {Intl.PluralRules} plural
 */

/** By the tag. Making these takes longer than using them, and a list has thousands of numbers. @type {any} */
const known = { __proto__: null };

/**
 * Writes a number as the language of that place does: short, and in full as the title.
 *
 * @param {Element} place
 * @param {HTMLElement} into
 * @param {number | null | undefined} number
 * @param {string} none what is written if it is not known
 * @returns {string} the form that a word has beside it, as `one` or `other`
 */
export function write(place, into, number, none) {
  const { short, full, plural } = words(language(place));
  [into.textContent, into.title] = number == null ? [none, ""] : [short.format(number), full.format(number)];
  return plural.select(number ?? 0);
}

/** @param {any} [tag] by default the browser's own language @returns {Words} */
function words(tag) {
  try {
    return (known[tag] ??= {
      // Cut, because 1,999 likes are not 2K.
      short: new Intl.NumberFormat(tag, { notation: "compact", maximumFractionDigits: 1, roundingMode: "trunc" }),
      full: new Intl.NumberFormat(tag),
      plural: new Intl.PluralRules(tag),
    });
  } catch {
    // The page says something that is no language.
    return words();
  }
}
