// The module of a script tag: it sets itself up from the tag's attributes.
//
//   <script type="module" src="/interaction.js" data-base="https://www.example.com" data-sign-in="/login"></script>
import { configure, define } from "./index.js";

export * from "./index.js";

// `document.currentScript` is null in a module.
const tag =
  [...document.scripts].find(({ src }) => src == import.meta.url) ??
  // The server has redirected the tag's address.
  /** @type {HTMLScriptElement | null} */ (document.querySelector("script[type=module][data-base]"));
if (!tag) console.error(`${import.meta.url}: no script tag with data-base`);
define(tag?.dataset);
configure(/** @type {any} */ ({ ...tag?.dataset }));
