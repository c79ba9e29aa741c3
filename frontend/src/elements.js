import { article, watch } from "./article.js";
import { kinds } from "./kinds.js";
import { options } from "./options.js";
import { sleep } from "./request.js";
import { track } from "./track.js";

// Where a server renders, there are no elements, and importing this must not fail.
const Element = globalThis.HTMLElement ?? class {};

// Of all buttons. Not a style element, which a page may forbid (Content Security Policy).
const sheet = globalThis.CSSStyleSheet && new CSSStyleSheet();
sheet?.replaceSync(
  "button{font:inherit;min-height:2.75em}svg{width:1.2em;vertical-align:-.2em;fill:none;stroke:currentColor;" +
    "stroke-width:2}[aria-pressed=true] svg{fill:currentColor}",
);

/** An element of an article, refreshed for as long as it is in the page. */
class Watching extends Element {
  static observedAttributes = ["article", "track", "show"];
  /** @type {(() => void)[]} */
  #ends = [];
  root = this.attachShadow({ mode: "open", delegatesFocus: true });

  connectedCallback() {
    this.disconnectedCallback();
    const id = this.getAttribute("article");
    if (!this.isConnected || !id) return;
    const render = () => this.render(article(id));
    this.#ends.push(watch(id, render));
    if (this.hasAttribute("track")) this.#ends.push(track(id));
    render();
  }

  disconnectedCallback() {
    for (const end of this.#ends.splice(0)) end();
  }

  attributeChangedCallback() {
    this.connectedCallback();
  }

  /** @param {import("./article.js").Article} _article */
  render(_article) {}
}

/** @param {(typeof kinds)[number]} kind */
const button = ({ name, label, icon }) =>
  class extends Watching {
    /** @type {import("./toggle.js").Toggle | undefined} */
    #toggle;
    #button;
    #status;
    #count;

    constructor() {
      super();
      this.root.innerHTML =
        `<button part=button><svg part=icon viewBox="0 0 24 24" aria-hidden=true><path d="${icon}" /></svg> ` +
        `<slot>${label}</slot> <span part=count></span></button> <span part=status role=status></span>`;
      this.root.adoptedStyleSheets = [sheet];
      [this.#button, this.#status] = /** @type {any} */ (this.root.children);
      this.#count = /** @type {any} */ (this.#button.lastChild);
      this.#button.onclick = () => this.#click();
    }

    /** @param {import("./article.js").Article} article */
    render({ [name]: toggle }) {
      // Another user, or another article: what was said is of the one before.
      if (toggle != this.#toggle) this.#status.textContent = "";
      this.#toggle = toggle;
      this.#count.textContent = toggle.count?.toLocaleString() ?? "";
      this.#button.ariaPressed = `${toggle.pressed}`;
      this.#button.part.toggle("pressed", toggle.pressed);
      this.#button.part.toggle("busy", toggle.busy);
    }

    async #click() {
      const toggle = this.#toggle;
      if (!toggle) return;
      const { busy } = toggle;
      const { texts } = options;
      let said = "";
      /** @type {any} */
      let detail;
      const end = toggle.set(!toggle.pressed).catch((failure) => {
        said = texts[failure.status] ?? texts.failed;
        detail = failure;
        // The same again is read out again only if it was gone in between.
        return sleep(99);
      });
      // The click that began waits for the end, and tells it.
      if (busy) return;
      this.#status.textContent = navigator.onLine ? "" : texts.offline;
      await end;
      if (toggle != this.#toggle) return;
      this.#status.textContent = said;
      this.dispatchEvent(
        new CustomEvent(`interaction-${said ? "error" : "change"}`, { bubbles: true, composed: true, detail }),
      );
    }
  };

class ReadCounter extends Watching {
  constructor() {
    super();
    this.root.innerHTML = "<span part=count></span> <slot>reads</slot>";
  }

  /** @param {import("./article.js").Article} article */
  render({ counters }) {
    /** @type {any} */ (this.root.firstChild).textContent = counters[this.getAttribute("show") || "reads"]?.toLocaleString() ?? "–";
  }
}

/** @param {string} name @param {any} element */
function define(name, element) {
  // A second copy of the module on a page is one too many, but no reason to break it.
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}

// Of each kind, as <like-button article="42">Like</like-button>; parts: button, pressed, busy, icon, count, status.
for (const kind of kinds) define(kind.tag, button(kind));

// <read-counter article="42">reads</read-counter>: a counter (`show`: reads, pv or uv); part: count. With `track`, this is
// where the article is read: it reports the view and the read.
define("read-counter", ReadCounter);
