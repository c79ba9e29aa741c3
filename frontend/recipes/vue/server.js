import { renderToString } from "vue/server-renderer";
import { createMemoryHistory } from "vue-router";
import { create } from "./app.js";

/** What a server sends. @param {string} article */
export async function render(article) {
  const { app, router } = create(createMemoryHistory());
  await router.push(`/own/${article}`);
  return renderToString(app);
}
