// Builds dist/interaction.js and its types, and fails if it has grown past what a page should pay for it.
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { kinds } from "./src/kinds.js";

/** Bytes, gzipped. */
const LIMIT = 4000;

const outfile = "dist/interaction.js";
await build({
  entryPoints: ["src/index.js"],
  absWorkingDir: import.meta.dirname,
  outfile,
  bundle: true,
  format: "esm",
  minify: true,
  charset: "utf8",
  target: "es2022",
  // What only the module itself uses.
  mangleProps: /^(users|look|watchers|take|toggles|groups|counts|excludes|root|render)$/,
});
const size = gzipSync(readFileSync(new URL(outfile, import.meta.url)), { level: 9 }).length;
console.log(`${outfile}: ${size} bytes gzipped, of ${LIMIT}`);
if (size > LIMIT) process.exit(1);

// The package has no source that TypeScript would read: the list of kinds becomes a type.
const list = 'import { kinds } from "../src/kinds.js";\n';
const types = readFileSync(new URL("types/index.d.ts", import.meta.url), "utf8");
if (!types.includes(list)) throw new Error(`types/index.d.ts without ${list}`);
const names = kinds.map(({ name, tag }) => `{ name: "${name}"; tag: "${tag}" }`);
const declared = `declare const kinds: readonly (${names.join(" | ")})[];\n`;
writeFileSync(new URL("dist/interaction.d.ts", import.meta.url), types.replace(list, declared));
