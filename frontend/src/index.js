export { article } from "./article.js";
export { define } from "./define.js";
export { changeUser, configure } from "./options.js";
export { track } from "./track.js";
export { refresh, watch } from "./watch.js";
