import { ReactionButton } from "./button.js";
import { ReactionCounter } from "./counter.js";
import { copied } from "./element.js";

/** @type {{ [name: string]: any }} */
const elements = { button: ReactionButton, counter: ReactionCounter };

/**
 * Defines the elements: `<reaction-button>` and `<reaction-counter>`, or with another prefix. Where there are no elements,
 * as on a server, it does nothing.
 *
 * @param {{ prefix?: string }} [names]
 */
export function define({ prefix = "reaction" } = {}) {
  if (!globalThis.customElements) return;
  for (const name in elements) {
    const type = elements[name];
    const tag = `${prefix}-${name}`;
    const there = customElements.get(tag);
    if (!there) customElements.define(tag, copied(type));
    else if (!(there.prototype instanceof type))
      console.error(`<${tag}> is another script's: define({ prefix })`);
  }
}
