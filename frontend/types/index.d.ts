import { kinds } from "../src/kinds.js";

type Kind = (typeof kinds)[number];

/** Beside a button, and read out, when a click came to nothing: by the status of the failure, or `failed`, or `offline`. */
export type Texts = { [when: string | number]: string };

export interface Options {
  /** Where the service answers, without `/v1`; by default the page's own origin. */
  base: string;
  /**
   * The signed-in user's token, or nothing for a visitor. Asked for each request; with `true` when the service has just
   * refused the last one, so that a new one can be fetched.
   */
  token: (refused: boolean) => string | null | undefined | Promise<string | null | undefined>;
  /** False where the visitor has not agreed to be known again: views then set no cookie. True by default. */
  consent: boolean;
  /** Seconds between refreshes of what a visible page shows, 30 by default; 0 for none. */
  refresh: number;
  texts: Texts;
}

/** One kind of one user and one article, shared by all that show it. */
export interface Toggle {
  /** What to show: the intent, before the service has confirmed it. */
  readonly pressed: boolean;
  /** The count to show; null while it is not known. */
  readonly count: number | null;
  /** A request is under way, or waits for its turn. */
  readonly busy: boolean;
  /**
   * Shows it at once and has the service do it: resolves when it has, or rejects with a `Failure` after taking it back.
   * Resolves too where a later intent for a kind that excludes this one has replaced it.
   */
  set(on: boolean): Promise<void>;
}

/** A toggle of each kind, such as `like`: another object once the user has changed. */
export type Toggles = { readonly [name in Kind["name"]]: Toggle };

export interface Article extends Toggles {
  /** `pv`, `uv` and `reads`, once they are known. */
  readonly counters: { readonly [name: string]: number | undefined };
}

/** Why a request failed. Without a `status` the network broke, or the answer did not come in time. */
export interface Failure extends Error {
  status?: number;
  /** That of RFC 9457, such as `/v1/problems/barred`. */
  type?: string;
  /** What the developer can do. */
  detail?: string;
  /** Seconds. */
  retryAfter?: number;
}

/** Changes options. Call it also when the user has changed: what was known of the one before is forgotten. */
export function configure(changes?: Partial<Options>): void;

/** What is known of an article. Its id is 1 to 2^63 − 1, in digits; a RangeError for any other. */
export function article(id: string): Article;

/** Calls `watcher` whenever something of the article changed, and keeps it refreshed until the function returned is called. */
export function watch(id: string, watcher: () => void): () => void;

/** Counts a view of the article, and a read once it was visible for five seconds, until the function returned is called. */
export function track(id: string): () => void;

/** Asks the service again for all that is shown, that many ms from now. */
export function refresh(ms?: number): void;

declare global {
  interface HTMLElementTagNameMap extends Record<Kind["tag"], HTMLElement> {
    "read-counter": HTMLElement;
  }
  interface HTMLElementEventMap {
    "interaction-change": CustomEvent<null>;
    "interaction-error": CustomEvent<Failure>;
  }
}
