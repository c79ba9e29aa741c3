// For Svelte: the elements in components. `import type {} from "interaction-web/svelte"`.
import type { HTMLAttributes } from "svelte/elements";
import type { ButtonProperties, ChangeEvent, CounterProperties, ErrorEvent, ReadEvent } from "./index.js";

export * from "./index.js";

interface Events {
  "oninteraction-change"?: (event: ChangeEvent) => void;
  "oninteraction-error"?: (event: ErrorEvent) => void;
  "oninteraction-read"?: (event: ReadEvent) => void;
}

declare module "svelte/elements" {
  interface SvelteHTMLElements {
    "reaction-button": HTMLAttributes<HTMLElement> & ButtonProperties & Events;
    "reaction-counter": HTMLAttributes<HTMLElement> & CounterProperties & Events;
  }
}
