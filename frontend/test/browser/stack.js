// The real system with the demo page in front, as `make up` starts it, and a real browser. DEMO_URL=… takes one that is up.
import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test as unlimited } from "node:test";
import { chromium } from "playwright-core";

// A page that the test itself answers counts as one from the internet, which may not reach this machine's own addresses.
const LOCAL = "--disable-features=LocalNetworkAccessChecks";
const FLAGS = [LOCAL, "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
// What a program drives counts nothing.
const PERSON = [
  "--disable-blink-features=AutomationControlled",
  "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
];
export const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [...FLAGS, "--disable-component-update", "--disable-sync", ...PERSON],
};
/** Ms until something that has to happen counts as missing. Nothing waits for so long that does happen. */
export const PATIENCE = Number(process.env.PATIENCE ?? 30_000);

/**
 * A test that fails when it does not end: a call to a browser can hang.
 *
 * @param {string} name
 * @param {() => unknown} run
 */
export const test = (name, run) => unlimited(name, { timeout: 10 * PATIENCE }, async () => void (await run()));

/** @type {import("node:child_process").ChildProcess | undefined} */
let child;
/** @type {string} */
export let demo;
/** @type {Record<string, string>} */
let env;
/** @type {import("playwright-core").Browser} */
export let browser;

export async function start() {
  demo = process.env.DEMO_URL ?? (await up());
  env = await (await fetch(new URL("stack.json", demo))).json();
  browser = await chromium.launch(LAUNCH);
}

export async function stop() {
  await browser?.close();
  if (!child || child.exitCode != null) return;
  const ended = new Promise((done) => child?.once("exit", done));
  child.kill("SIGTERM");
  await ended;
}

/** @returns {Promise<string>} the page's address */
function up() {
  const root = new URL("../../..", import.meta.url).pathname;
  const stack = `${process.env.CARGO_TARGET_DIR}/release/stack`;
  const started = spawn(`${root}dev/demo`, [stack, "up"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  child = started;
  return new Promise((resolve, reject) => {
    started.once("exit", (code) => reject(new Error(`no stack (${code}): see above; DEMO_URL=… takes one that is up`)));
    createInterface({ input: started.stdout }).on("line", (line) => {
      if (line.startsWith("DEMO_URL=")) resolve(line.slice("DEMO_URL=".length));
    });
  });
}

/** An article that no one has touched, whatever stack this is. */
export const untouched = () => `${Date.now()}${Math.floor(Math.random() * 100_000)}`;
/** A user whose limits are whole. */
export const newcomer = () => `${Math.floor(Math.random() * 2 ** 48) + 100}`;

/**
 * The rows of one kind of an article: the user, and 1 or 0.
 *
 * @param {string} article
 * @param {string} [kind]
 */
export const rows = (article, kind = "like") =>
  sql(
    `SELECT user_id, status FROM interaction i JOIN kind k ON k.code = i.kind
     WHERE k.name = '${kind}' AND article_id = ${article} ORDER BY user_id`,
  );

/** Where the service answers. */
export const service = () => env.HTTP_URL;

/** What `make env` prints. */
export const environment = () => env;

/** @param {string} query @returns {string[][]} rows of text, NULL as "NULL" */
export function sql(query) {
  const { username, password, hostname, port, pathname } = new URL(env.MYSQL_URL);
  const to = [`-u${username}`, `-p${password}`, `-h${hostname}`, `-P${port}`, pathname.slice(1)];
  const rows = execFileSync("mariadb", [...to, "--batch", "--skip-column-names", "-e", query], { encoding: "utf8" });
  return rows.split("\n").filter(Boolean).map((row) => row.split("\t"));
}

/** @param {string} article */
export const interactions = async (article) => (await fetch(`${service()}/v1/articles/${article}/interactions`)).json();

/**
 * Until `ask` answers what is expected; fails with what it said last.
 *
 * @param {() => unknown} ask
 * @param {unknown} expected
 */
export async function eventually(ask, expected) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const said = JSON.stringify(await ask());
    if (said == JSON.stringify(expected)) return;
    if (Date.now() > end) throw new Error(`expected ${JSON.stringify(expected)}, was ${said} for ${PATIENCE} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
