import { createSSRApp, h } from "vue";
import { createRouter, RouterView } from "vue-router";
import Page from "./page.vue";

/** @param {import("vue-router").RouterHistory} history */
export function create(history) {
  const router = createRouter({ history, routes: [{ path: "/own/:id", component: Page }] });
  const app = createSSRApp({ render: () => h(RouterView) });
  app.use(router);
  return { app, router };
}
