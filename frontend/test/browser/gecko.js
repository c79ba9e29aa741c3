// Debian's Firefox, for tests that are written for Chromium. Playwright drives only a Firefox of its own, so Puppeteer drives this
// one. Its pages get those of Playwright's methods that the tests call.
import { after } from "node:test";
import puppeteer from "puppeteer-core";
import { PATIENCE } from "./stack.js";

const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
// It takes half a minute to start on a busy machine, so it starts while other tests run.
const starting = puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 4 * PATIENCE });
starting.catch(() => {});
after(() => starting.then((browser) => browser.close(), () => {}));

/** Each page has a profile of its own, as a new context of Playwright has. */
export const firefox = /** @type {import("playwright-core").BrowserContext} */ (
  /** @type {unknown} */ ({
    async newPage() {
      const page = await (await (await starting).createBrowserContext()).newPage();
      // What a program drives counts nothing.
      await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, "webdriver", { value: false }));
      return new Page(page);
    },
  })
);

class Page {
  /** The last one is asked first. @type {{ matches: RegExp, answer: (route: object) => unknown }[]} */
  #routes = [];

  /** @param {import("puppeteer-core").Page} page */
  constructor(page) {
    this.page = page;
    this.keyboard = page.keyboard;
    for (const name of /** @type {const} */ (["evaluate", "goto", "on", "setDefaultTimeout", "url", "waitForResponse"]))
      /** @type {any} */ (this)[name] = /** @type {any} */ (page)[name].bind(page);
  }

  /** @param {string} glob @param {(route: object) => unknown} answer */
  async route(glob, answer) {
    const matches = new RegExp(`^${glob.replace(/[.?]/g, "\\$&").replace(/\*+/g, (stars) => (stars == "*" ? "[^/]*" : ".*"))}$`);
    if (!this.#routes.length) {
      await this.page.setRequestInterception(true);
      this.page.on("request", (request) => this.#answer(request));
    }
    this.#routes.unshift({ matches, answer });
  }

  /** @param {import("puppeteer-core").HTTPRequest} request */
  #answer(request) {
    const found = this.#routes.find(({ matches }) => matches.test(request.url()));
    // The request may have ended with its page.
    const pass = () => request.continue().catch(() => {});
    // Playwright's routes do not see preflights.
    if (!found || request.method() == "OPTIONS") return pass();
    return found.answer({
      request: () => request,
      continue: pass,
      fulfill: (/** @type {import("puppeteer-core").ResponseForRequest} */ response) => request.respond(response),
    });
  }

  /** @param {(argument: any) => unknown} script @param {unknown} [argument] */
  addInitScript(script, argument) {
    return this.page.evaluateOnNewDocument(script, argument);
  }

  /** @param {string} selector */
  locator(selector) {
    return new Locator(this.page, selector);
  }

  close() {
    return this.page.browserContext().close();
  }
}

class Locator {
  /**
   * @param {import("puppeteer-core").Page} page
   * @param {string} selector
   * @param {number} [index]
   * @param {string[]} [inside] selectors of what is within it, each in the shadow tree of the one before, if that has one
   */
  constructor(page, selector, index = 0, inside = []) {
    this.page = page;
    this.selector = selector;
    this.index = index;
    this.inside = inside;
  }

  /** @param {number} index */
  nth(index) {
    return new Locator(this.page, this.selector, index);
  }

  /** @param {string} selector */
  locator(selector) {
    return new Locator(this.page, this.selector, this.index, [...this.inside, selector]);
  }

  /** @param {string} role */
  getByRole(role) {
    return this.locator(`${role}, [role=${role}]`);
  }

  async #element() {
    const found = await this.page.waitForFunction(
      (selector, index, inside) => {
        let at = document.querySelectorAll(selector)[index];
        for (const next of inside) at = /** @type {Element} */ ((at?.shadowRoot ?? at)?.querySelector(next));
        return at;
      },
      {},
      this.selector,
      this.index,
      this.inside,
    );
    return /** @type {import("puppeteer-core").ElementHandle<HTMLElement>} */ (found);
  }

  /** @param {string} name */
  async getAttribute(name) {
    return (await this.#element()).evaluate((element, name) => element.getAttribute(name), name);
  }

  async textContent() {
    return (await this.#element()).evaluate((element) => element.textContent);
  }

  /** Once it can be clicked, and is in sight. */
  async click() {
    const element = await this.#element();
    await this.page.waitForFunction((element) => !element.matches(":disabled"), {}, element);
    await element.click();
  }
}
