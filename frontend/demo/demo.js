// The demo page: what a site does with the module, and, in place of a site's sign-in, tokens made with the key of dev.
import { configure } from "../src/index.js";
import { kinds } from "../src/kinds.js";
import { sign, stack } from "./dev.js";

const address = new URL(location.href);
const user = /** @type {HTMLSelectElement} */ (document.querySelector("#user"));
const asked = address.searchParams.get("user") ?? "";
if (![...user.options].some(({ value }) => value == asked)) user.add(new Option(`user ${asked}`, asked));
user.value = asked;

const dev = await stack();
const token = () => {
  if (!user.value) return null;
  return user.value == "expired" ? sign(dev, "7", -3600) : sign(dev, user.value, 3600);
};
configure({ base: dev.HTTP_URL, token, refresh: 2 });

// Only now, so that nothing is asked of the wrong place.
const buttons = kinds.map(({ tag, label }) => Object.assign(document.createElement(tag), { textContent: label }));
document.querySelector(".actions")?.append(...buttons);
const article = address.searchParams.get("article") ?? "42";
for (const element of document.querySelectorAll([...kinds.map(({ tag }) => tag), "read-counter"].join()))
  element.setAttribute("article", /** @type {HTMLElement} */ (element).dataset.article ?? article);

user.addEventListener("change", () => {
  address.searchParams.set("user", user.value);
  history.replaceState(null, "", address);
  configure();
});

// For developers: the button itself informs the reader.
document.addEventListener("interaction-error", (event) => {
  const { type, message, detail } = /** @type {CustomEvent} */ (event).detail;
  /** @type {HTMLElement} */ (document.querySelector("#problem")).textContent = [type ?? message, detail].join(" ");
});
