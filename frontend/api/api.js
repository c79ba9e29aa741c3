// Swagger UI on the description that the running service gives of itself, signed in: what is tried out there is done.
import { sign, stack } from "../demo/dev.js";

const USER = "7";
const DAY = 24 * 60 * 60;

const dev = await stack();
const url = `${dev.HTTP_URL}/v1/openapi.json`;
const { SwaggerUIBundle } = /** @type {any} */ (window);
if (SwaggerUIBundle) {
  const ui = SwaggerUIBundle({
    url,
    domNode: document.querySelector("#interface"),
    deepLinking: true,
    tryItOutEnabled: true,
    // The visitor's cookie is the service's, which is of another origin.
    withCredentials: true,
    validatorUrl: null,
    onComplete: async () => ui.preauthorizeApiKey("bearer", await sign(dev, USER, DAY)),
  });
} else {
  const description = /** @type {HTMLAnchorElement} */ (document.querySelector("#description"));
  description.href = description.textContent = url;
  /** @type {HTMLElement} */ (document.querySelector("#missing")).hidden = false;
}
