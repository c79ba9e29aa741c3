// Every state of the elements, which no real article has at one time: the page answers in place of the service.
import { configure, define } from "../src/index.js";
import { kinds } from "../src/kinds.js";

/** @type {{ [article: string]: number }} */
const counts = { zero: 0, one: 1, some: 12, pressed: 12, thousand: 1234, million: 1_999_999, busy: 12, refused: 12, barred: 12 };

/** @param {string} article */
const item = (article) => ({
  article_id: article,
  ...Object.fromEntries(["pv", "uv", "reads", ...kinds.map(({ count }) => count)].map((name) => [name, counts[article]])),
  ...Object.fromEntries(kinds.map(({ on }) => [on, false])),
  ...(article == "pressed" ? { liked: true } : {}),
});

const never = new Promise(() => {});
window.fetch = async (url, init) => {
  const address = new URL(String(url), location.href);
  const asked = address.searchParams.get("article_ids")?.split(",") ?? [];
  const article = address.pathname.split("/")[3];
  if (init?.method == "GET") return Response.json({ items: asked.filter((id) => id in counts).map(item) });
  if (article == "busy") return /** @type {Promise<Response>} */ (never);
  const status = { refused: 401, barred: 403 }[article];
  if (status) return Response.json({ title: article }, { status });
  const kind = kinds.find(({ name }) => address.pathname.endsWith(name)) ?? kinds[0];
  const on = init?.method == "PUT";
  return Response.json({ article_id: article, [kind.on]: on, [kind.count]: counts[article] + Number(on) });
};

define();
configure({ base: "", token: () => "a token", signIn: "#sign-in", refresh: 0 });
for (const id of ["busy", "refused", "barred"])
  document.getElementById(id)?.shadowRoot?.querySelector("button")?.click();
