// For React 18 and 19: the elements in JSX, and the hook.
import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { ButtonProperties, ChangeEvent, CounterProperties, ErrorEvent, Kind, ReadEvent, Toggle } from "./index.js";

/** React 19 listens to these; in React 18 use a ref and `addEventListener`. */
interface Events {
  "oninteraction-change"?: (event: ChangeEvent) => void;
  "oninteraction-error"?: (event: ErrorEvent) => void;
  "oninteraction-read"?: (event: ReadEvent) => void;
}

/** `class` rather than `className`, as React 18 has it for custom elements; React 19 takes both. */
type Tag<Properties> = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & Properties & Events & { class?: string };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "reaction-button": Tag<ButtonProperties>;
      "reaction-counter": Tag<CounterProperties>;
    }
  }
}

/** What is known of an article; another object at each change. */
export type ArticleState = { readonly [name in Kind]: Toggle } & {
  readonly counters: { readonly [name: string]: number | undefined };
  readonly signedIn?: boolean;
};

/** What is known of the article, refreshed while the component is there. */
export function useArticle(id: string): ArticleState;
