// Builds dist/: the module of a script tag with its checksum, and the types; fails if it has grown past what a page should pay.
import { build, transform } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { minify } from "terser";
import { kinds } from "./src/kinds.js";

/** Bytes, gzipped: all of it, and what is left for a page that draws its own buttons. Each kind may add 60 to the whole. */
const LIMITS = { all: 6320 + 60 * kinds.length, core: 3000 };
/** Properties that only the module itself uses. */
const INTERNAL = new RegExp(
  `^(${[
    ...["asked", "counts", "excludes", "groups", "path", "projected", "showing", "version", "watchers"],
    ...["begin", "flag", "known", "render", "root"],
    ...["element", "inSight", "look", "meets", "places", "put"],
    ...["full", "icon", "label", "plural", "short"],
  ].join("|")})$`,
);
const TARGET = ["chrome103", "firefox115", "safari15.4"];

/** What is unsafe elsewhere is safe here: reading a property does nothing else, and templates have only texts and numbers. */
const SAFE = { pure_getters: true, unsafe: true, unsafe_arrows: true };
/** What gzip makes the least of. */
const COMPRESS = { ...SAFE, passes: 3, hoist_funs: true, inline: 1, lhs_constants: false };

const file = (/** @type {string} */ path) => new URL(path, import.meta.url);
const { version } = JSON.parse(readFileSync(file("package.json"), "utf8"));

/** The style is a text within the module, which nothing else makes smaller. @type {import("esbuild").Plugin} */
const style = {
  name: "style",
  setup: ({ onLoad }) =>
    onLoad({ filter: /src.dom\.js$/ }, async ({ path }) => {
      const [before, css, after] = readFileSync(path, "utf8").split(/(?<=const css = `)([^`]*)/);
      const { code } = await transform(css, { loader: "css", minify: true, target: TARGET });
      return { contents: before + code.trim() + after };
    }),
};

/** @param {import("esbuild").BuildOptions} from */
async function bundle(from) {
  const { outputFiles } = await build({
    ...from,
    absWorkingDir: import.meta.dirname,
    bundle: true,
    format: "esm",
    charset: "utf8",
    target: TARGET,
    write: false,
    minifySyntax: true,
    mangleProps: INTERNAL,
    plugins: [style],
  });
  const { code } = await minify(outputFiles[0].text, { module: true, ecma: 2020, compress: COMPRESS });
  return Buffer.from(code ?? "");
}

/** @param {string} name @param {Uint8Array} code @param {number} limit */
function measure(name, code, limit) {
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${name}: ${size} bytes gzipped, of ${limit}`);
  if (size > limit) process.exitCode = 1;
}

const all = await bundle({ entryPoints: ["src/tag.js"] });
const own = 'export { article, changeUser, configure, watch } from "./src/index.js"';
const core = await bundle({ stdin: { contents: own, resolveDir: import.meta.dirname } });
measure("dist/interaction.js", all, LIMITS.all);
measure("the functions alone", core, LIMITS.core);

mkdirSync(file("dist"), { recursive: true });
// By its version too: a file that never changes can be cached without end, and checked.
const versioned = `interaction-${version}.js`;
for (const name of ["interaction.js", versioned]) writeFileSync(file(`dist/${name}`), all);
const integrity = `sha384-${createHash("sha384").update(all).digest("base64")}`;
writeFileSync(file("dist/integrity.json"), `${JSON.stringify({ [versioned]: integrity }, null, 2)}\n`);
copyFileSync(file("../LICENSE"), file("LICENSE"));

// What editors complete. The kinds and counts that attributes take come from the list.
const quoted = (/** @type {string[]} */ names) => names.map((name) => `'${name}'`).join(" | ");
const elements = readFileSync(file("custom-elements.json"), "utf8")
  .replace("{kinds}", quoted(kinds.map(({ name }) => name)))
  .replace("{counts}", quoted(["reads", "pv", "uv", ...kinds.map(({ count }) => count)]));
writeFileSync(file("dist/custom-elements.json"), elements);

// The package has no source that TypeScript would read: the list of kinds becomes a type.
const list = 'import { kinds } from "../src/kinds.js";\n';
const rows = kinds.map(({ name, count }) => `{ name: "${name}"; count: "${count}" }`);
for (const name of readdirSync(file("types"))) {
  const types = readFileSync(file(`types/${name}`), "utf8");
  if (name == "index.d.ts" && !types.includes(list)) throw new Error(`types/index.d.ts without ${list}`);
  writeFileSync(file(`dist/${name}`), types.replace(list, `declare const kinds: readonly (${rows.join(" | ")})[];\n`));
}
