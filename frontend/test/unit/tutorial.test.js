// The page of docs/tutorial/buttons.md, whose readers copy how it gets a token.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const page = readFileSync(new URL("../../../docs/tutorial/buttons.md", import.meta.url), "utf8");
const [, script] = page.match(/^\+ +import \{ configure, define \}.*\n([^]*?)^\+ +configure\(/m) ?? [];

/**
 * The page's `token`, with that network.
 *
 * @param {() => Promise<Response>} fetch
 * @returns {(refused: boolean) => Promise<string>}
 */
const token = (fetch) => Function("fetch", `${script.replaceAll(/^\+/gm, "")}; return token;`)(fetch);

test("a token is fetched once, and again when it is refused", async () => {
  let fetched = 0;
  const ask = token(async () => new Response(`${++fetched}`));
  assert.deepEqual([await ask(false), await ask(false), await ask(true), await ask(false)], ["1", "1", "2", "2"]);
});

test("a token that could not be fetched is fetched again, and a page of an error is none", async () => {
  const answers = [() => Promise.reject(TypeError("no network")), async () => new Response("<h1>Sorry", { status: 500 })];
  const ask = token(() => (answers.shift() ?? (async () => new Response("ada")))());
  for (let time = 0; time < 2; time++) await assert.rejects(async () => ask(false));
  assert.equal(await ask(false), "ada");
});

test("the script has no dollar sign: the site replaces what follows one", () => {
  assert.ok(!script.includes("$"));
});
