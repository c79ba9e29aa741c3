import { article } from "./article.js";
import { style } from "./dom.js";
import { meeting } from "./sight.js";
import { watch } from "./watch.js";

// Where a server renders, there are no elements, and importing this must not fail.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/** An element of an article, which asks for it and keeps it refreshed while it is in the page and near the window. */
export class ReactionElement extends Base {
  static observedAttributes = ["article", "theme"];

  /** @type {(() => void)[]} */
  #ends = [];
  #connected = false;
  /** The id in the attribute, unless it is none. @type {string | undefined} */
  articleId;
  root = this.shadowRoot ?? this.attachShadow({ mode: "open", delegatesFocus: true });

  /** @param {(Node | string)[]} content of the shadow tree */
  draw(...content) {
    this.root.replaceChildren(...content);
    style(this.root);
  }

  connectedCallback() {
    this.#connected = true;
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

  disconnectedCallback() {
    this.#connected = false;
    this.#end();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before != now && this.#connected) this.#begin();
  }

  #begin() {
    this.#end();
    this.articleId = this.getAttribute("article")?.trim() || undefined;
    try {
      if (this.articleId) article(this.articleId);
    } catch (error) {
      this.articleId = undefined;
      console.error(this, error);
    }
    const id = this.articleId;
    this.render(id ? article(id) : undefined);
    if (!id) return;
    let unwatch = () => {};
    this.#ends = this.begin(id);
    this.#ends.push(
      meeting(this, (near) => {
        unwatch();
        unwatch = () => {};
        if (!near) return;
        const render = () => this.render(article(id));
        unwatch = watch(id, render);
        render();
      }),
      () => unwatch(),
    );
  }

  #end() {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Whether an attribute is there. React 18 writes `false` as a text. @param {string} name */
  has(name) {
    return this.hasAttribute(name) && this.getAttribute(name) != "false";
  }

  /** Begins what an element does besides. @param {string} _id @returns {(() => void)[]} what ends it */
  begin(_id) {
    return [];
  }

  /** Shows the article, or that there is none. @param {import("./article.js").Article | undefined} _article */
  render(_article) {}
}

/** Attributes that are there or not, and have no text. */
const FLAGS = ["disabled", "readonly", "track"];

/** Gives the class a property for each attribute. @param {typeof ReactionElement} type */
export function properties({ prototype, observedAttributes }) {
  for (const name of observedAttributes)
    Object.defineProperty(prototype, name, {
      get() {
        return FLAGS.includes(name) ? this.has(name) : this.getAttribute(name);
      },
      set(value) {
        if (value == null || value === false) this.removeAttribute(name);
        else this.setAttribute(name, value === true ? "" : value);
      },
    });
}
