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
  const tag = language(place);
  const { short, full, plural } = known.get(tag) ?? make(tag);
  into.textContent = number == null ? none : short.format(number);
  into.title = number == null ? "" : full.format(number);
  return plural.select(number ?? 0);
}

/** @param {string | undefined} tag @returns {Words} */
function make(tag) {
  /** @type {string | undefined} */
  let valid;
  try {
    [valid] = Intl.getCanonicalLocales(tag);
  } catch {
    // The page says something that is no language: the browser's own.
  }
  // Cut, because 1,999 likes are not 2K.
  const cut = /** @type {const} */ ({ notation: "compact", maximumFractionDigits: 1, roundingMode: "trunc" });
  const made = { short: new Intl.NumberFormat(valid, cut), full: new Intl.NumberFormat(valid), plural: new Intl.PluralRules(valid) };
  known.set(tag, made);
  return made;
}
