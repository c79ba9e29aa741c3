import { configure, define } from "interaction-web";
import { createWebHistory } from "vue-router";
import { create } from "./app.js";

const { base, token } = /** @type {any} */ (window).test;
define();
configure({ base, token: () => token });
const { app, router } = create(createWebHistory());
await router.isReady();
app.mount("#app");
