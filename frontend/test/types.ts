// The described types are those of the source, and no export is missing: read by the type checker alone.
import type * as described from "../types/index.js";
import * as source from "../src/index.js";
import type { kinds } from "../src/kinds.js";

source satisfies typeof described;
({}) as Record<keyof typeof described, unknown> satisfies Record<keyof typeof source, unknown>;

source.article("1").dislike satisfies described.Toggle;
const button = document.querySelector("reaction-button");
button?.kind satisfies (typeof kinds)[number]["name"] | null | undefined;
button?.addEventListener("interaction-error", ({ detail }) => detail.status?.toFixed());
button?.addEventListener("interaction-change", ({ detail }) => detail.count?.toFixed());
document.querySelector("reaction-counter")?.track satisfies boolean | undefined;
