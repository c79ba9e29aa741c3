import { configure, define } from "interaction-web";
import { mount } from "svelte";
import Page from "./page.svelte";

const { article, base, token } = /** @type {any} */ (window).test;
define();
configure({ base, token: () => token });
mount(Page, { target: /** @type {HTMLElement} */ (document.getElementById("app")), props: { article } });
