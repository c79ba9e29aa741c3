import { emit, sleep } from "./browser.js";
import { draw, make } from "./dom.js";
import { ReactionElement } from "./element.js";
import { recall, remember } from "./intent.js";
import { kinds, looks } from "./kinds.js";
import { options } from "./options.js";
import { write } from "./text.js";

/**
 * Switches one kind on and off: `<reaction-button kind="like" article="42">Like</reaction-button>`.
 *
 * Parts: button, pressed, busy, icon, count, zero, status, sign-in. Slots: the label; icon.
 */
export class ReactionButton extends ReactionElement {
  static observedAttributes = [...ReactionElement.observedAttributes, "kind", "disabled", "readonly"];

  /** @type {import("./toggle.js").Toggle | undefined} */
  #toggle;
  #path = make("path");
  // With its size and colours, which must not depend on the style: see `draw`.
  #icon = make(
    "svg",
    {
      ...{ part: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
      ...{ width: "1.2em", height: "1.2em", stroke: "currentColor", "stroke-width": "2" },
    },
    this.#path,
  );
  #label = make("slot");
  // An image: its title is its name, and so the button's name has the whole number.
  #count = make("span", { part: "count", role: "img" });
  #status = make("span", { part: "status", role: "status" });
  #button = make(
    "button",
    { part: "button", type: "button" },
    make("slot", { name: "icon" }, this.#icon),
    " ",
    this.#label,
    " ",
    this.#count,
  );
  #clicks = 0;

  constructor() {
    super();
    this.#button.onclick = (/** @type {Event} */ event) => {
      // A card may be a link as a whole.
      event.preventDefault();
      this.#click();
    };
    this.root.addEventListener("keydown", (event) => {
      if (/** @type {KeyboardEvent} */ (event).key == "Escape") this.#say("");
    });
    draw(this.root, this.#button, this.#status);
  }

  get #kind() {
    const name = this.getAttribute("kind") ?? "like";
    const kind = kinds.find((kind) => kind.name == name);
    if (!kind) console.error(this, `no kind ${name}`);
    return kind;
  }

  render() {
    const { known } = this;
    const kind = this.#kind;
    const toggle = kind && known?.[kind.name];
    // Another user, or another article: what was said is of the one before.
    if (toggle != this.#toggle) this.#say("");
    this.#toggle = toggle;
    if (kind) {
      const { label, icon } = looks[kind.name];
      this.#label.textContent = label;
      this.#path.setAttribute("d", icon);
    }
    const { count, pressed = false, busy = false } = toggle ?? {};
    // Nobody wants to be the first who likes, or to read of it.
    write(this, this.#count, count, "");
    this.#count.part.toggle("zero", !count);
    this.#button.setAttribute("aria-pressed", pressed);
    this.#button.part.toggle("pressed", pressed);
    this.#icon.setAttribute("fill", pressed ? "currentColor" : "none");
    this.#button.part.toggle("busy", busy);
    this.#button.disabled = !toggle || this.flag("disabled");
    this.#button.setAttribute("aria-disabled", this.flag("readonly"));
    if (toggle && known?.signedIn) this.#recall(known, kind.name);
  }

  /** @param {import("./article.js").Known} known @param {string} kind */
  async #recall({ id }, kind) {
    const toggle = this.#toggle;
    // Meanwhile the button may have got another article, or the user may have clicked.
    if ((await recall(id, kind)) && toggle == this.#toggle && !toggle?.pressed) this.#click();
  }

  async #click() {
    const { known } = this;
    const kind = this.#kind;
    if (!kind || !known || this.#button.disabled || this.flag("readonly")) return;
    // A button that is not near the window has not heard yet that the user has changed.
    const toggle = (this.#toggle = known[kind.name]);
    const click = ++this.#clicks;
    const on = !toggle.pressed;
    const of = { article: known.id, kind: kind.name };
    /** @type {any} */
    let failure;
    const end = toggle.set(on).catch((reason) => (failure = Object.assign(reason, of)));
    this.#say(navigator.onLine ? "" : options.texts.offline);
    await end;
    // What a later click on this button ends with, says so.
    if (click != this.#clicks) return;
    if (failure) {
      // The same is read out again only if it was gone in between.
      await sleep(99);
      if (toggle == this.#toggle) {
        if (on && failure.status == 401) {
          remember(known.id, kind.name, failure.user);
          // Only the next answer says whether somebody is signed in: until then the click is not repeated.
          known.signedIn = undefined;
        }
        this.#refuse(failure.status);
      }
      emit(this, "interaction-error", failure);
    } else {
      if (toggle == this.#toggle) this.#say("");
      emit(this, "interaction-change", { ...of, on: toggle.pressed, count: toggle.count });
    }
  }

  /** @param {number} status */
  #refuse(status) {
    const { texts, signIn } = options;
    const href = status == 401 && (typeof signIn == "function" ? signIn() : signIn);
    this.#say(texts[status] ?? texts.failed, ...(href ? [" ", make("a", { part: "sign-in", href }, texts.signIn)] : []));
  }

  /** @param {(Node | string)[]} content */
  #say(...content) {
    const status = this.#status;
    removeEventListener("pointerdown", this.#elsewhere);
    status.replaceChildren(...content);
    status.className = "";
    if (!status.textContent) return;
    // It lies over the page, and must not make the page wider.
    const { left, right } = status.getBoundingClientRect();
    if (left < 0 || right > document.documentElement.clientWidth) status.className = "end";
    addEventListener("pointerdown", this.#elsewhere);
  }

  /** A press on something else ends what the button says. @param {Event} event */
  #elsewhere = (event) => event.composedPath().includes(this) || this.#say("");
}
