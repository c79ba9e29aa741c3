// A button in a page without a browser: of elements only what it uses.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { answer, clear, happens, item, jwt, pass, underWay } from "./world.js";

class Element extends EventTarget {
  /** @type {any[]} */
  content = [];
  /** @type {Map<string, string>} */
  attributes = new Map();
  part = { toggle() {} };
  shadowRoot = null;
  /** @param {string} [name] */
  constructor(name) {
    super();
    this.localName = name;
  }
  get textContent() {
    return this.content.map((one) => one.textContent ?? one).join("");
  }
  set textContent(/** @type {string} */ text) {
    this.content = [text];
  }
  append(/** @type {any[]} */ ...content) {
    this.content.push(...content);
  }
  prepend() {}
  replaceChildren(/** @type {any[]} */ ...content) {
    this.content = content;
  }
  getAttribute(/** @type {string} */ name) {
    return this.attributes.get(name) ?? null;
  }
  setAttribute(/** @type {string} */ name, /** @type {unknown} */ value) {
    this.attributes.set(name, `${value}`);
  }
  attachShadow() {
    return new Element();
  }
  closest() {
    return null;
  }
  getRootNode() {
    return {};
  }
  getBoundingClientRect() {
    return { left: 0, right: 0 };
  }
  /** The first element of that name within. @param {string} name @returns {any} */
  find(name) {
    for (const one of this.content) {
      const found = one.localName == name ? one : one.find?.(name);
      if (found) return found;
    }
  }
}
Object.assign(globalThis, { HTMLElement: Element });
Object.assign(document, {
  createElement: (/** @type {string} */ name) => new Element(name),
  createElementNS: (/** @type {string} */ _space, /** @type {string} */ name) => new Element(name),
  documentElement: { clientWidth: 1000 },
});
// Keeps texts, as a browser's does.
Object.assign(globalThis, { sessionStorage: new Proxy({}, { set: (all, key, value) => Reflect.set(all, key, `${value}`) }) });
const { ReactionButton } = await import("../../src/button.js");
const { configure } = await import("../../src/index.js");

let next = 6000;
/** @type {string} */
let id;
/** @type {any} */
let button;
/** @type {string | null} */
let user;

beforeEach(async () => {
  id = `${next++}`;
  user = "ada";
  configure({ base: "", refresh: 0, token: () => user });
  button = new ReactionButton();
  button.setAttribute("article", id);
  button.connectedCallback();
  await pass(50);
});

afterEach(async () => {
  button.disconnectedCallback();
  await clear();
});

const click = () => button.root.find("button").onclick(new Event("click"));
const said = () => button.root.content.at(-1).textContent;
/** The service says who it is: somebody who has not liked it, or a visitor. @param {false | null} of */
const known = (of) => answer(`GET ${id}`, 200, { items: [item(id, of)] });
/** @param {unknown[]} path from what was pressed upwards */
const press = (...path) => happens("pointerdown", { composedPath: () => path });

test("without any style, an icon is small, in outline, and filled while it is on", async () => {
  await known(false);
  const icon = button.root.find("svg");
  const look = () => ["width", "height", "stroke", "fill"].map((name) => icon.getAttribute(name));
  assert.deepEqual(look(), ["1.2em", "1.2em", "currentColor", "none"]);
  click();
  assert.deepEqual(look(), ["1.2em", "1.2em", "currentColor", "currentColor"]);
});

test("what a button says stays when the button is pressed, and goes when something else is", async () => {
  user = null;
  await known(null);
  click();
  await pass(99);
  assert.equal(said(), "Sign in first.");
  await press(button);
  assert.equal(said(), "Sign in first.");
  await press({});
  assert.equal(said(), "");
});

test("a click after the session has ended is repeated only once the service knows a user", async () => {
  await known(false);
  click();
  for (let time = 0; time < 2; time++) await answer("PUT like", 401);
  await pass(99);
  assert.equal(said(), "Sign in first.");
  button.render();
  await pass(0);
  assert.deepEqual(underWay(id), []);
  configure({ token: () => "ada again" });
  await pass(50);
  await known(false);
  assert.deepEqual(underWay(id), ["PUT like"]);
});

for (const [next, sends] of /** @type {const} */ ([["ada,1", ["PUT like"]], ["ben", []]]))
  test(`a click of ada, whose session has ended, is ${sends.length ? "repeated for" : "none of"} ${next}`, async () => {
    user = jwt("ada,1", 1);
    await known(false);
    click();
    for (let time = 0; time < 2; time++) await answer("PUT like", 401);
    await pass(99);
    user = jwt(next, 2);
    configure({ token: () => user });
    await pass(50);
    await known(false);
    assert.deepEqual(underWay(id), sends);
    assert.equal(button.root.find("button").getAttribute("aria-pressed"), `${!!sends.length}`);
  });

test("a click is not repeated on another article, which the button got while the token was asked for", async () => {
  user = jwt("ada,1", 1);
  await known(false);
  click();
  for (let time = 0; time < 2; time++) await answer("PUT like", 401);
  await pass(99);
  const first = id;
  user = jwt("ada,1", 2);
  /** @type {(() => void)[]} */
  const waiting = [];
  let asked = 0;
  configure({ token: () => (asked++ ? new Promise((done) => waiting.push(() => done(user))) : user) });
  await pass(50);
  await known(false);
  id = `${next++}`;
  button.setAttribute("article", id);
  button.attributeChangedCallback("article", first, id);
  await pass(50);
  waiting[1]();
  await known(false);
  assert.equal(button.root.find("button").disabled, false);
  waiting[0]();
  await pass(0);
  // A click would have asked, too.
  for (const give of waiting) give();
  await pass(0);
  assert.deepEqual([underWay(first), underWay(id)], [[], []]);
});
