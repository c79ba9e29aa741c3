import { article } from "./article.js";
import { make } from "./dom.js";
import { ReactionElement } from "./element.js";
import { recall, remember } from "./intent.js";
import { kinds, looks } from "./kinds.js";
import { options } from "./options.js";
import { sleep } from "./request.js";
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
  #label = make("slot");
  // An image: its title is its name, and so the button's name has the whole number.
  #count = make("span", { part: "count", role: "img" });
  #status = make("span", { part: "status", role: "status" });
  #button = make(
    "button",
    { part: "button", type: "button" },
    make("slot", { name: "icon" }, make("svg", { part: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, this.#path)),
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
    this.draw(this.#button, this.#status);
  }

  get #kind() {
    const name = this.getAttribute("kind") ?? "like";
    const kind = kinds.find((kind) => kind.name == name);
    if (!kind) console.error(this, `no kind ${name}`);
    return kind;
  }

  /** @param {import("./article.js").Article | undefined} shown */
  render(shown) {
    const kind = this.#kind;
    const toggle = kind && shown?.[kind.name];
    // Another user, or another article: what was said is of the one before.
    if (toggle != this.#toggle) this.#say("");
    this.#toggle = toggle;
    if (kind && this.#label.textContent != looks[kind.name].label) {
      this.#label.textContent = looks[kind.name].label;
      this.#path.setAttribute("d", looks[kind.name].icon);
    }
    const { count, pressed = false, busy = false } = toggle ?? {};
    // Nobody wants to be the first who likes, or to read of it.
    write(this, this.#count, count, "");
    this.#count.part.toggle("zero", !count);
    this.#button.setAttribute("aria-pressed", pressed);
    this.#button.part.toggle("pressed", pressed);
    this.#button.part.toggle("busy", busy);
    this.#button.disabled = !toggle || this.has("disabled");
    this.#button.setAttribute("aria-disabled", this.has("readonly"));
    if (toggle && shown?.signedIn && recall(shown.id, kind.name) && !pressed) this.#click();
  }

  async #click() {
    const kind = this.#kind;
    const id = this.articleId;
    if (!kind || !id || this.#button.disabled || this.has("readonly")) return;
    // A button that is not near the window has not heard yet that the user has changed.
    const toggle = (this.#toggle = article(id)[kind.name]);
    const click = ++this.#clicks;
    const on = !toggle.pressed;
    const end = toggle.set(on).then(
      () => ({ type: "interaction-change", detail: { article: id, kind: kind.name, on: toggle.pressed, count: toggle.count } }),
      (failure) => ({ type: "interaction-error", detail: Object.assign(failure, { article: id, kind: kind.name }) }),
    );
    this.#say(navigator.onLine ? "" : options.texts.offline);
    const { type, detail } = await end;
    // What a later click on this button ends with, says so.
    if (click != this.#clicks) return;
    // The same is read out again only if it was gone in between.
    if (detail instanceof Error && toggle == this.#toggle) await sleep(99).then(() => this.#refuse(detail, on));
    else if (toggle == this.#toggle) this.#say("");
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
  }

  /** @param {any} failure @param {boolean} on what the click wanted */
  #refuse(failure, on) {
    const { texts, signIn } = options;
    const text = texts[failure.status] ?? texts.failed;
    if (failure.status != 401) return this.#say(text);
    if (on) remember(failure.article, failure.kind);
    const href = typeof signIn == "function" ? signIn() : signIn;
    this.#say(text, ...(href ? [" ", make("a", { part: "sign-in", href }, texts.signIn)] : []));
  }

  /** @param {(Node | string)[]} content */
  #say(...content) {
    const status = this.#status;
    status.replaceChildren(...content.filter(Boolean));
    status.classList.remove("end");
    if (!status.firstChild) return;
    // It lies over the page, and must not make the page wider.
    const { left, right } = status.getBoundingClientRect();
    status.classList.toggle("end", left < 0 || right > document.documentElement.clientWidth);
    addEventListener("pointerdown", (event) => event.composedPath().includes(this) || this.#say(""), { once: true });
  }
}
