import { article } from "./article.js";
import { nearness } from "./sight.js";
import { watch } from "./watch.js";

// Where a server renders, there are no elements, and importing this must not fail.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/** An element of an article, which asks for it and keeps it refreshed while it is in the page and near the window. */
export class ReactionElement extends Base {
  static observedAttributes = ["article", "theme"];

  /** What ends what it has begun, while it is in the page. @type {((() => void) | undefined)[] | undefined} */
  #ends;
  /** The article in the attribute, unless it is none. @type {import("./article.js").Article | undefined} */
  known;
  root = this.shadowRoot ?? this.attachShadow({ mode: "open", delegatesFocus: true });

  connectedCallback() {
    // A framework may have set a property before the element was defined.
    const own = /** @type {any} */ (this);
    for (const name of own.constructor.observedAttributes)
      if (Object.hasOwn(own, name)) {
        const { [name]: value } = own;
        delete own[name];
        own[name] = value;
      }
    this.#begin();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before != now && this.#ends) this.#begin();
  }

  #begin() {
    this.disconnectedCallback();
    this.#ends = [];
    this.known = undefined;
    const id = this.getAttribute("article")?.trim();
    try {
      if (id) this.known = article(id);
    } catch (error) {
      console.error(this, error);
    }
    this.render();
    if (!id || !this.known) return;
    /** @type {(() => void) | undefined} */
    let unwatch;
    this.#ends = [
      this.begin(id),
      nearness(this, (near) => {
        unwatch?.();
        if (!near) return;
        unwatch = watch(id, () => this.render());
        this.render();
      }),
      () => unwatch?.(),
    ];
  }

  /** Ends all; also before it begins with another article. */
  disconnectedCallback() {
    for (const end of this.#ends ?? []) end?.();
    this.#ends = undefined;
  }

  /** Whether an attribute is there. React 18 writes `false` as a text. @param {string} name */
  flag(name) {
    return ![null, "false"].includes(this.getAttribute(name));
  }

  /** Begins what an element does besides. @param {string} _id @returns {(() => void) | undefined} what ends it */
  begin(_id) {
    return undefined;
  }

  /** Shows the article, or that there is none. */
  render() {}
}

/** Attributes that are there or not, and have no text. */
const FLAGS = ["disabled", "readonly", "track"];

/** A copy with a property for each attribute: an element's class has one name only. @param {any} type */
export function copied(type) {
  const copy = class extends type {};
  for (const name of type.observedAttributes)
    Object.defineProperty(copy.prototype, name, {
      get() {
        return FLAGS.includes(name) ? this.flag(name) : this.getAttribute(name);
      },
      set(value) {
        if (value == null || value === false) this.removeAttribute(name);
        else this.setAttribute(name, value === true ? "" : value);
      },
    });
  return /** @type {any} */ (copy);
}
