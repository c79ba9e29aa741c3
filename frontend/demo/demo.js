// The demo page: what a site does with the module, and, in place of a site's sign-in, tokens made with the key of dev.
import { configure } from "../src/index.js";

/** @typedef {{ HTTP_URL: string, JWT_KEY: string, JWT_ISSUER: string, JWT_AUDIENCE: string }} Stack */

/** @returns {Promise<Stack>} */
async function stack() {
  for (;;) {
    const answer = await fetch("stack.json");
    if (answer.ok) return answer.json();
    // It is still starting.
    await new Promise((done) => setTimeout(done, 500));
  }
}

/** @param {Uint8Array} bytes */
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (sign) => ({ "+": "-", "/": "_" })[sign] ?? "");

/**
 * @param {Stack} stack
 * @param {string} user
 * @param {number} seconds
 */
async function sign({ JWT_KEY, JWT_ISSUER, JWT_AUDIENCE }, user, seconds) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, iss: JWT_ISSUER, aud: JWT_AUDIENCE, iat: now, exp: now + seconds };
  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
  const part = (/** @type {object} */ value) => base64url(bytes(JSON.stringify(value)));
  const unsigned = `${part({ alg: "HS256", typ: "JWT", kid: "dev" })}.${part(claims)}`;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(JWT_KEY), algorithm, false, ["sign"]);
  return `${unsigned}.${base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(unsigned))))}`;
}

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
const article = address.searchParams.get("article") ?? "42";
for (const element of document.querySelectorAll("like-button, collect-button, read-counter"))
  element.setAttribute("article", /** @type {HTMLElement} */ (element).dataset.article ?? article);

user.addEventListener("change", () => {
  address.searchParams.set("user", user.value);
  history.replaceState(null, "", address);
  configure();
});

// For who develops: the reader is told by the button itself.
document.addEventListener("interaction-error", (event) => {
  const { type, message, detail } = /** @type {CustomEvent} */ (event).detail;
  /** @type {HTMLElement} */ (document.querySelector("#problem")).textContent = [type ?? message, detail].join(" ");
});
