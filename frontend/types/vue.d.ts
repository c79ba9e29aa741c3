// For Vue: the elements in templates. `import type {} from "interaction-web/vue"`.
import type { DefineComponent } from "vue";
import type { ButtonProperties, CounterProperties } from "./index.js";

export * from "./index.js";

declare module "vue" {
  interface GlobalComponents {
    "reaction-button": DefineComponent<ButtonProperties>;
    "reaction-counter": DefineComponent<CounterProperties>;
  }
}
