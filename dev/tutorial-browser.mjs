// A reader's browser for dev/tutorials. Each line of standard input is a step, and each gets one line of answer: "ok", or what
// was seen instead.
//
//   open http://…         fill Name: ada        press Like        see 1 views
//   pressed Like 1        not pressed Like 1
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { chromium } = createRequire(new URL("../frontend/package.json", import.meta.url))("playwright-core");
/** Ms until something that has to happen counts as missing. */
const PATIENCE = 30_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // A browser that a program drives counts nothing: this one must look like a person's.
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-blink-features=AutomationControlled",
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
  ],
});
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE);

/** Waits until the page, as it is read out to somebody who cannot see it, has this text. */
async function shows(text) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await page.locator("body").ariaSnapshot();
    if (seen.includes(text)) return;
    if (Date.now() > end) throw new Error(`no ${text} in\n${seen}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const steps = {
  open: (url) => page.goto(url),
  see: shows,
  pressed: (name) => page.getByRole("button", { name, exact: true, pressed: true }).waitFor(),
  "not pressed": (name) => page.getByRole("button", { name, exact: true, pressed: false }).waitFor(),
  press: (name) => page.getByRole("button", { name, exact: true }).click(),
  fill: (text) => page.getByLabel(text.split(": ")[0]).fill(text.split(": ")[1]),
};

for await (const line of createInterface({ input: process.stdin })) {
  const name = Object.keys(steps).find((step) => line.startsWith(`${step} `));
  try {
    if (!name) throw new Error("no such step");
    await steps[name](line.slice(name.length + 1));
    console.log("ok");
  } catch (error) {
    console.log(String(error.message ?? error).replaceAll("\n", "\\n"));
  }
}
await browser.close();
