import { make } from "./dom.js";
import { ReactionElement } from "./element.js";
import { kinds } from "./kinds.js";
import { write } from "./text.js";
import { track } from "./track.js";

/** What a counter can show, and its words if the page has none. @type {{ [show: string]: string }} */
const COUNTERS = Object.assign(Object.create(null), { reads: "reads", pv: "views", uv: "visitors" });
for (const { count } of kinds) COUNTERS[count] = count;

/**
 * Shows a counter: `<reaction-counter article="42" show="pv">views</reaction-counter>`. With `track`, the `<article>` around it,
 * or else the element itself, is where the article is read.
 *
 * Part: count. Slots: the words; those for a number that the language has another form for, by its category: `one`, …
 */
export class ReactionCounter extends ReactionElement {
  static attributes = [...ReactionElement.attributes, "show", "track"];

  #count = make("span", { part: "count" });
  #words = make("slot");
  #form = make("slot", {}, this.#words);

  constructor() {
    super();
    this.draw(this.#count, " ", this.#form);
  }

  /** @param {string} id */
  begin(id) {
    return this.has("track") ? [track(id, this.closest("article") ?? this)] : [];
  }

  /** @param {import("./article.js").Article | undefined} article */
  render(article) {
    const show = this.getAttribute("show") || "reads";
    const name = COUNTERS[show];
    if (!name) console.error(this, `no counter ${show}`);
    const count = name ? article?.counters[show] : undefined;
    const form = write(this, this.#count, count, "–");
    this.#form.name = form;
    this.#words.textContent = (form == "one" ? name?.slice(0, -1) : name) ?? "";
  }
}
