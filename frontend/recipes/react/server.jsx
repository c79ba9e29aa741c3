import { renderToString } from "react-dom/server";
import { Page } from "./page.jsx";

/** What a server sends. @param {string} article */
export const render = (article) => renderToString(<Page article={article} />);
