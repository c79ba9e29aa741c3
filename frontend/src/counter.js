import { draw, make } from "./dom.js";
import { ReactionElement } from "./element.js";
import { kinds } from "./kinds.js";
import { write } from "./text.js";
import { track } from "./track.js";

/** Counters that are no kind's, and their words if the page has none. @type {any} */
const COUNTERS = { __proto__: null, reads: "reads", pv: "views", uv: "visitors" };

/**
 * Shows a counter: `<reaction-counter article="42" show="pv">views</reaction-counter>`. With `track`, the `<article>` around it,
 * or else the element itself, is where the article is read.
 *
 * Part: count. Slots: the words; those for a number that the language has another form for, by its category: `one`, …
 */
export class ReactionCounter extends ReactionElement {
  static observedAttributes = [...ReactionElement.observedAttributes, "show", "track"];

  #count = make("span", { part: "count" });
  #words = make("slot");
  #form = make("slot", {}, this.#words);

  constructor() {
    super();
    draw(this.root, this.#count, " ", this.#form);
  }

  /** @param {string} id */
  begin(id) {
    return this.flag("track") ? track(id, this.closest("article") ?? this) : undefined;
  }

  render() {
    const show = this.getAttribute("show") || "reads";
    const kind = kinds.find(({ count }) => count == show);
    const name = kind?.count ?? COUNTERS[show];
    if (!name) console.error(this, `no counter ${show}`);
    // Of a kind what its buttons show: the user's own click is counted at once.
    const count = kind ? this.known?.[kind.name].count : name && this.known?.counters[show];
    const form = write(this, this.#count, /** @type {number | undefined} */ (count), "–");
    this.#form.name = form;
    this.#words.textContent = form == "one" ? name?.slice(0, -1) : name;
  }
}
