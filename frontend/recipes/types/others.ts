// Read by the type checker alone: the elements in the templates of Vue and Svelte.
import type {} from "interaction-web/svelte";
import type {} from "interaction-web/vue";
import type { SvelteHTMLElements } from "svelte/elements";
import type { GlobalComponents } from "vue";

export const svelte: SvelteHTMLElements["reaction-button"] = {
  article: "42",
  kind: "like",
  class: "wide",
  "oninteraction-error": ({ detail }) => detail.status?.toFixed(),
};
// @ts-expect-error there is no such counter
export const wrong: SvelteHTMLElements["reaction-counter"] = { show: "hugs" };

type Props = InstanceType<GlobalComponents["reaction-counter"]>["$props"];
export const vue: Props = { article: "42", show: "pv", track: true };
// @ts-expect-error an id is a text
export const none: Props = { article: 42 };
