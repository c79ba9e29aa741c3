// The module of a script tag: it sets itself up from the tag's attributes.
//
//   <script type="module" src="/interaction.js" data-base="https://www.example.com" data-sign-in="/login"></script>
import { configure, define } from "./index.js";

export * from "./index.js";

// `document.currentScript` is null in a module.
const tag = [...document.querySelectorAll("script")].find(({ src }) => src == import.meta.url);
const { base, prefix, signIn, visitors, refresh } = /** @type {{ [name: string]: any }} */ (tag?.dataset ?? {});
define({ prefix });
const given = Object.entries({ base, signIn, visitors, refresh: refresh && Number(refresh) });
if (base != null) configure(Object.fromEntries(given.filter(([, value]) => value != null)));
