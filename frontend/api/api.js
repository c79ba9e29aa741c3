// Swagger UI on the description that the running service gives of itself, signed in: what is tried out there is done.
import { sign, stack } from "../demo/dev.js";

const DAY = 24 * 60 * 60;
const ARTICLE = "42";

const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const dev = await stack();
const url = `${dev.HTTP_URL}/v1/openapi.json`;
const like = `${dev.HTTP_URL}/v1/articles/${ARTICLE}/like`;

// The style of Swagger UI knows the dark by a class.
const dark = matchMedia("(prefers-color-scheme: dark)");
const dim = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dim);
dim();

/** The user's token; undefined for a visitor. @returns {Promise<string | undefined>} */
const token = async () => (find("user").value ? sign(dev, find("user").value, DAY) : undefined);

/** What a browser asks by itself is nothing to try out. @param {any} description */
function withoutPreflights(description) {
  for (const item of [...Object.values(description.paths), ...Object.values(description.components.pathItems ?? {})])
    delete item.options;
  description.tags = description.tags.filter((/** @type {any} */ { name }) => name != "preflight");
  description.servers = [{ url: dev.HTTP_URL }];
  return description;
}

const { SwaggerUIBundle } = /** @type {any} */ (window);
/** @type {any} */
let ui;
if (SwaggerUIBundle) {
  ui = SwaggerUIBundle({
    spec: withoutPreflights(await (await fetch(url)).json()),
    domNode: find("interface"),
    deepLinking: true,
    tryItOutEnabled: true,
    // The visitor's cookie is the service's, which is of another origin.
    withCredentials: true,
    validatorUrl: null,
    onComplete: signIn,
  });
} else {
  find("description").href = find("description").textContent = url;
  find("missing").hidden = false;
}

async function signIn() {
  const bearer = await token();
  const header = bearer ? ` -H "Authorization: Bearer $(make -s token USER=${find("user").value})"` : "";
  find("call").textContent = `curl -X PUT${header} ${like}`;
  if (bearer) ui?.preauthorizeApiKey("bearer", bearer);
  else ui?.authActions.logout(["bearer"]);
}

find("user").addEventListener("change", signIn);
find("send").addEventListener("click", async () => {
  const bearer = await token();
  const response = await fetch(like, { method: "PUT", headers: bearer ? { Authorization: `Bearer ${bearer}` } : {} });
  find("answer").textContent = `${response.status}\n${JSON.stringify(await response.json(), null, 2)}`;
});
await signIn();
