import { kinds } from "../src/kinds.js";

export type Kind = (typeof kinds)[number]["name"];

/**
 * Beside a button, and read out, when a click came to nothing: by the status of the failure, or `failed`, or `offline`;
 * `signIn` is the text of the link to the sign-in.
 */
export type Texts = { [when: string | number]: string };

export interface Options {
  /** Where the service answers, without `/v1`; `""` for the page's own origin. Every request waits until it is known. */
  base: string;
  /**
   * The signed-in user's token, or nothing for a visitor. Asked for each request; with `true` when the service has just
   * refused the last one, so that a new one can be fetched.
   */
  token: (refused: boolean) => string | null | undefined | Promise<string | null | undefined>;
  /** The address of the site's sign-in, for a link beside a refused click. Empty by default: no link. */
  signIn: string | (() => string);
  /**
   * Whether views are counted with the service's cookie, without it, or not at all. By default with it, unless the service is
   * another site than the page.
   */
  visitors: "cookie" | "cookieless" | "none" | undefined;
  /** The part of an article, or of the window, that has to be in sight, 0.5 by default. */
  share: number;
  /** In sight until a view is a read: 5 by default, and not less than the service asks for. */
  seconds: number;
  /** Seconds between refreshes of what is in sight, 30 by default; 0 for none. */
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
   * Shows it at once and has the service do it: resolves when it has, or rejects with a `Failure` after taking it back, or
   * when another user came. Resolves too where a later intent for a kind that excludes this one has replaced it.
   */
  set(on: boolean): Promise<void>;
}

/** A toggle of each kind, such as `like`: another object once the user has changed. */
export type Toggles = { readonly [name in Kind]: Toggle };

export interface Article extends Toggles {
  /** `pv`, `uv` and `reads`, once they are known. */
  readonly counters: { readonly [name: string]: number | undefined };
  /** Whether the service knew a user when it was last asked; undefined until then. */
  readonly signedIn?: boolean;
}

/** Why a request failed. Without a `status` the network broke, or the answer did not come in time, or the user changed. */
export interface Failure extends Error {
  status?: number;
  /** That of RFC 9457, such as `/v1/problems/barred`. */
  type?: string;
  /** What the developer can do. */
  detail?: string;
  /** Seconds. */
  retryAfter?: number;
  /** What the service's log has for this request. */
  requestId?: string;
}

/** Changes options. Another `token` or `base` is another user, as with `changeUser`. */
export function configure(changes: Partial<Options>): void;

/** The user has signed in or out: what was known of the one before is forgotten, and what they began is not sent. */
export function changeUser(): void;

/** Defines the elements, `<reaction-button>` and `<reaction-counter>`, or with a prefix of one's own. */
export function define(names?: { prefix?: string }): void;

/** What is known of an article. A RangeError if it is no id: 1 to 128 of `A-Z a-z 0-9 . _ ~ : | @ + = -`. */
export function article(id: string): Article;

/** Calls `watcher` whenever something of the article changed, and keeps it refreshed until the function returned is called. */
export function watch(id: string, watcher: () => void): () => void;

/**
 * Counts a view of the article when the element is first in sight, and a read once it was for long enough, until the function
 * returned is called.
 */
export function track(id: string, element: Element): () => void;

/** Asks the service again for all that is watched. */
export function refresh(): void;

/** Attributes and properties of every element. */
export interface ElementProperties {
  article?: string | null;
  theme?: "outline" | "pill" | "plain" | (string & {}) | null;
}

/** Of `<reaction-button>`. */
export interface ButtonProperties extends ElementProperties {
  kind?: Kind | null;
  disabled?: boolean;
  readonly?: boolean;
}

/** Of `<reaction-counter>`. */
export interface CounterProperties extends ElementProperties {
  show?: "reads" | "pv" | "uv" | (typeof kinds)[number]["count"] | null;
  track?: boolean;
}

export type ReactionButton = HTMLElement & Required<ButtonProperties>;
export type ReactionCounter = HTMLElement & Required<CounterProperties>;

/** The service has done what a click on a button wanted. */
export type ChangeEvent = CustomEvent<{ article: string; kind: Kind; on: boolean; count: number | null }>;
/** It has not, and the click was taken back. */
export type ErrorEvent = CustomEvent<Failure & { article: string; kind: Kind }>;
/** A read has been reported; `counted` is false if it had been before. */
export type ReadEvent = CustomEvent<{ article: string; reads: number; counted: boolean }>;

declare global {
  interface HTMLElementTagNameMap {
    "reaction-button": ReactionButton;
    "reaction-counter": ReactionCounter;
  }
  interface HTMLElementEventMap {
    "interaction-change": ChangeEvent;
    "interaction-error": ErrorEvent;
    "interaction-read": ReadEvent;
  }
}
