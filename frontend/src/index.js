export { article, configure, refresh, watch } from "./article.js";
import "./elements.js";
export { track } from "./track.js";
