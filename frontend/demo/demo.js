// The demo pages: what a site does with the module, and, in place of a site's sign-in, tokens made with the key of dev.
import { changeUser, configure, define } from "../src/index.js";
import { kinds, looks } from "../src/kinds.js";
import { sign, stack } from "./dev.js";

const address = new URL(location.href);
const user = /** @type {HTMLSelectElement} */ (document.querySelector("#user"));
const asked = address.searchParams.get("user") ?? "";
if (![...user.options].some(({ value }) => value == asked)) user.add(new Option(`user ${asked}`, asked));
user.value = asked;

const buttons = kinds.map(({ name }) =>
  Object.assign(document.createElement("reaction-button"), { kind: name, theme: "pill", textContent: looks[name].label }),
);
document.querySelector("main article .actions")?.append(...buttons);
const article = address.searchParams.get("article") ?? "42";
for (const element of document.querySelectorAll("reaction-button:not([article]), reaction-counter:not([article])"))
  element.setAttribute("article", article);
define();

// Everything waits until it is known where the service is.
const dev = await stack();
const token = () => {
  if (!user.value) return null;
  return user.value == "expired" ? sign(dev, "7", -3600) : sign(dev, user.value, 3600);
};
const signIn = () => `?${new URLSearchParams({ ...Object.fromEntries(address.searchParams), user: "7" })}`;
configure({ base: dev.HTTP_URL, token, signIn, refresh: 2 });

user.addEventListener("change", () => {
  address.searchParams.set("user", user.value);
  history.replaceState(null, "", address);
  changeUser();
});

// For developers: the button itself informs the reader.
document.addEventListener("interaction-error", (event) => {
  const { type, message, detail: what, requestId } = /** @type {CustomEvent} */ (event).detail;
  const text = [type ?? message, what, requestId && `(request ${requestId})`].filter(Boolean).join(" ");
  /** @type {HTMLElement} */ (document.querySelector("#problem")).textContent = text;
});
