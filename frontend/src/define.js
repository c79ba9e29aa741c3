import { ReactionButton } from "./button.js";
import { ReactionCounter } from "./counter.js";
import { properties } from "./element.js";

const elements = { button: ReactionButton, counter: ReactionCounter };

/**
 * Defines the elements: `<reaction-button>` and `<reaction-counter>`, or with another prefix. Where there are no elements,
 * as on a server, it does nothing.
 *
 * @param {{ prefix?: string }} [names]
 */
export function define({ prefix = "reaction" } = {}) {
  if (!globalThis.customElements) return;
  for (const [name, type] of Object.entries(elements)) {
    const tag = `${prefix}-${name}`;
    const there = customElements.get(tag);
    if (!there) customElements.define(tag, named(type));
    else if (!(there.prototype instanceof type))
      console.error(`<${tag}> is another script's: define({ prefix })`);
  }
}

/** A copy with a property for each attribute: an element's class has one name only. @param {any} type */
function named(type) {
  const copy = class extends type {};
  properties(/** @type {any} */ (copy));
  return /** @type {any} */ (copy);
}
