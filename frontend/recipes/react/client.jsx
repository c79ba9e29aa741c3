import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { configure, define } from "interaction-web";
import { Page } from "./page.jsx";

const { article, base, token } = /** @type {any} */ (window).test;
define();
configure({ base, token: () => token });
hydrateRoot(
  /** @type {HTMLElement} */ (document.getElementById("app")),
  <StrictMode>
    <Page article={article} />
  </StrictMode>,
);
