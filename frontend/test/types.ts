// The described types are those of the source, and no export is missing: read by the type checker alone.
import type * as described from "../types/index.js";
import * as source from "../src/index.js";

source satisfies typeof described;
({}) as Record<keyof typeof described, unknown> satisfies Record<keyof typeof source, unknown>;

document.querySelector("dislike-button") satisfies HTMLElement | null;
source.article("1").dislike satisfies described.Toggle;
document.querySelector("like-button")?.addEventListener("interaction-error", ({ detail }) => detail.status?.toFixed());
