// The package as others get it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ReactionButton } from "../../src/button.js";
import { ReactionCounter } from "../../src/counter.js";
import { kinds } from "../../src/kinds.js";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const read = (/** @type {string} */ path) => readFileSync(join(folder, path), "utf8");
const bin = (/** @type {string} */ name) => join(folder, "node_modules/.bin", name);

test("it has what it exports, types that resolve, and its licence", () => {
  const target = mkdtempSync(join(tmpdir(), "package-"));
  try {
    const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", target], { cwd: folder, encoding: "utf8" });
    const [{ filename, files }] = Object.values(JSON.parse(packed));
    const paths = files.map((/** @type {{ path: string }} */ { path }) => path);
    for (const path of ["LICENSE", "README.md", "dist/custom-elements.json", "dist/index.d.ts", "dist/interaction.js", "src/index.js"])
      assert.ok(paths.includes(path), path);
    const file = join(target, filename);
    // They print what is wrong, and fail.
    execFileSync(bin("publint"), ["--strict", file], { cwd: folder, stdio: "pipe" });
    // A script tag or a bundler loads it, and Node 20 for what a server renders: no CommonJS.
    execFileSync(bin("attw"), [file, "--profile", "esm-only"], { cwd: folder, stdio: "pipe" });
  } finally {
    rmSync(target, { recursive: true });
  }
});

test("the checksum is that of the file with the version in its name, which is the module itself", () => {
  const { version } = JSON.parse(read("package.json"));
  const name = `interaction-${version}.js`;
  const sum = createHash("sha384").update(read(`dist/${name}`)).digest("base64");
  assert.deepEqual(JSON.parse(read("dist/integrity.json")), { [name]: `sha384-${sum}` });
  assert.equal(read(`dist/${name}`), read("dist/interaction.js"));
});

test("the manifest of the elements names their attributes, events, slots and parts, and nothing else", () => {
  const { modules } = JSON.parse(read("dist/custom-elements.json"));
  for (const [index, type] of [ReactionButton, ReactionCounter].entries()) {
    const { path, declarations } = modules[index];
    const [{ name, attributes, events, slots, cssParts }] = declarations;
    const names = (/** @type {{ name: string }[]} */ list) => list.map(({ name }) => name).sort();
    assert.equal(name, type.name);
    assert.deepEqual(names(attributes), [...type.observedAttributes].sort());
    const source = read(path) + (type == ReactionCounter ? read("src/track.js") : "");
    assert.deepEqual(names(events), [...new Set(source.match(/interaction-(change|error|read)(?=")/g))].sort());
    for (const { name } of [...slots, ...cssParts]) if (name != "one") assert.match(source, new RegExp(`"${name || "slot"}"`), name);
  }
  const [kind] = modules[0].declarations[0].attributes.filter((/** @type {any} */ { name }) => name == "kind");
  assert.equal(kind.type.text, kinds.map(({ name }) => `'${name}'`).join(" | "));
});
