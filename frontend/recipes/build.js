// Builds each recipe with its framework's own tools, as a site would: dist/<recipe>.js, and dist/server/<recipe>.js.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import vue from "@vitejs/plugin-vue";
import { rmSync } from "node:fs";
import { build } from "vite";

const elements = vue({ template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith("reaction-") } } });
const installed = (/** @type {string} */ name) => `${import.meta.dirname}/node_modules/${name}`;
/** React 18 beside 19, which has the name. */
const REACT_18 = [
  { find: /^react-dom(?=$|\/)/, replacement: installed("react-dom-18") },
  { find: /^react(?=$|\/)/, replacement: installed("react-18") },
];

/**
 * @param {string} name
 * @param {string} entry
 * @param {object} [options]
 * @param {any[]} [options.plugins]
 * @param {{ find: RegExp, replacement: string }[]} [options.alias]
 * @param {boolean} [options.server]
 */
const recipe = (name, entry, { plugins = [], alias = [], server = false } = {}) =>
  build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: "warn",
    plugins,
    define: { "process.env.NODE_ENV": '"development"', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true" },
    mode: "development",
    resolve: { alias, dedupe: ["react", "react-dom", "vue"] },
    ssr: { noExternal: true },
    build: {
      outDir: server ? "dist/server" : "dist",
      emptyOutDir: false,
      minify: false,
      target: "es2022",
      ...(server
        ? { ssr: entry, rollupOptions: { output: { entryFileNames: `${name}.js` } } }
        : { lib: { entry, formats: ["es"], fileName: () => `${name}.js` } }),
    },
  });

rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
await recipe("react-19", "react/client.jsx");
await recipe("react-19", "react/server.jsx", { server: true });
await recipe("react-18", "react/client.jsx", { alias: REACT_18 });
await recipe("react-18", "react/server.jsx", { alias: REACT_18, server: true });
await recipe("vue", "vue/client.js", { plugins: [elements] });
await recipe("vue", "vue/server.js", { plugins: [elements], server: true });
await recipe("svelte", "svelte/client.js", { plugins: [svelte({ configFile: false })] });
await recipe("angular", "angular/client.js");
await recipe("turbo", "turbo/client.js");
