// Builds dist/interaction.js, and fails if it has grown past what a page should pay for it.
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Bytes, gzipped. */
const LIMIT = 3000;

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
  mangleProps: /^(users|look|watchers|take|root|render)$/,
});
const size = gzipSync(readFileSync(new URL(outfile, import.meta.url)), { level: 9 }).length;
console.log(`${outfile}: ${size} bytes gzipped, of ${LIMIT}`);
if (size > LIMIT) process.exit(1);
