// What `make up` does about the front end's packages: dev/demo and dev/web themselves, in a tree that has none, with an npm
// and a stack that are not real.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const STACK = 'case $1 in up) exec sleep 60 ;; env) echo HTTP_URL=http://service.example ;; esac';

/**
 * @typedef {object} Demo
 * @property {URL} page
 * @property {(path: string) => Promise<[number, string]>} fetched status and body
 * @property {(what: RegExp) => Promise<void>} said waits for it on stderr
 *
 * @param {string} npm what npm does, in frontend/
 * @param {(demo: Demo) => Promise<void>} use
 * @param {string} [installed] the path of a package's file that is there already
 */
async function up(npm, use, installed) {
  const tree = mkdtempSync(join(tmpdir(), "demo-"));
  const script = (/** @type {string} */ name, /** @type {string} */ text) =>
    writeFileSync(join(tree, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  for (const path of ["dev/demo", "dev/web", "dev/lib.sh", "frontend/package-lock.json", "frontend/api"])
    cpSync(join(ROOT, path), join(tree, path), { recursive: true });
  mkdirSync(join(tree, "bin"));
  script("bin/npm", npm);
  script("stack", STACK);
  if (installed) {
    mkdirSync(join(tree, "frontend", dirname(installed)), { recursive: true });
    writeFileSync(join(tree, "frontend", installed), "there");
  }
  const env = { ...process.env, PATH: `${tree}/bin:${process.env.PATH}`, INTERACTION_CACHE: `${tree}/cache` };
  const demo = spawn(join(tree, "dev/demo"), [join(tree, "stack"), "up"], { env });
  try {
    let errors = "";
    demo.stderr.on("data", (text) => (errors += text));
    const page = await new Promise((found, failed) => {
      let printed = "";
      demo.stdout.on("data", (text) => {
        printed += text;
        const address = /^API_URL=(.*)\n/m.exec(printed);
        if (address) found(new URL(address[1]));
      });
      demo.once("exit", () => failed(new Error(errors)));
    });
    const fetched = async (/** @type {string} */ path) => {
      const answer = await fetch(new URL(path, page));
      return /** @type {[number, string]} */ ([answer.status, await answer.text()]);
    };
    const said = async (/** @type {RegExp} */ what) => {
      // Another pipe than the page's.
      for (let time = 0; time < 100 && !what.test(errors); time++) await new Promise((done) => setTimeout(done, 50));
      assert.match(errors, what);
    };
    await use({ page, fetched, said });
  } finally {
    demo.kill();
    rmSync(tree, { recursive: true });
  }
}

const CSS = "/node_modules/swagger-ui-dist/swagger-ui.css";
const INSTALLS = `mkdir -p node_modules/swagger-ui-dist && echo "npm $*" >.${CSS}`;

test("where no packages are, make up fetches them, and the page that needs them waits for that", () =>
  up(`sleep 1; ${INSTALLS}`, async ({ fetched, said }) => {
    assert.deepEqual(await fetched(CSS), [200, "npm ci --ignore-scripts\n"]);
    await said(/^demo: fetching the front end's packages, for Swagger UI\n$/);
  }));

test("where they cannot be fetched, it says so, and everything runs all the same", () =>
  up("echo no network; exit 1", async ({ page, fetched, said }) => {
    assert.equal((await fetched(CSS))[0], 404);
    await said(/\ndemo: no Swagger UI: web: failed: npm ci .*\n$/);
    const [status, html] = await fetched(page.pathname);
    assert.equal(status, 200);
    assert.match(html, /could not be fetched/);
  }));

test("where Swagger UI is, nothing is fetched and nothing lost, whoever installed it", () =>
  up(INSTALLS, async ({ fetched, said }) => {
    assert.deepEqual(await fetched(CSS), [200, "there"]);
    await said(/^$/);
  }, CSS));
