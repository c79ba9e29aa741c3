import assert from "node:assert/strict";
import { errors } from "./page.js";
import { browser, demo, eventually, interactions, PATIENCE, rows, service, test, untouched } from "./stack.js";

async function open() {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => errors.push(String(error)));
  return page;
}

test("Swagger UI shows every operation that the running service describes, and what is tried out there is done", async () => {
  const page = await open();
  await page.goto(new URL("/api/", demo).href);
  const { paths, components } = await (await fetch(`${service()}/v1/openapi.json`)).json();
  // Without what a browser asks by itself.
  const methods = ["get", "put", "post", "delete"];
  const items = Object.values(paths).map(({ $ref, ...item }) => ($ref ? components.pathItems[$ref.split("/").pop()] : item));
  const operations = items.flatMap((item) => Object.keys(item)).filter((key) => methods.includes(key));
  await eventually(() => page.locator(".opblock").count(), operations.length);
  assert.equal(await page.getByText("preflight").count(), 0);

  const article = untouched();
  const like = page.locator("#operations-kinds-like");
  await like.locator(".opblock-summary-control").click();
  await like.locator("tr[data-param-name=id] input").fill(article);
  await like.getByRole("button", { name: "Execute" }).click();
  await like.locator(".live-responses-table .response-col_status", { hasText: "200" }).waitFor();
  await eventually(() => rows(article), [["7", "1"]]);
  assert.equal((await interactions(article)).likes, 1);
});

test("a first call stands on top and works, as the user who is signed in or as nobody, in the dark too", async () => {
  const page = await open();
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 320, height: 700 });
  await page.goto(new URL("/api/", demo).href);
  await page.locator(".opblock").first().waitFor();
  const answer = page.getByLabel("The answer");
  await page.getByRole("button", { name: "Send it" }).click();
  await answer.getByText('"liked": true').waitFor();
  await eventually(() => rows("42").some(([user, on]) => user == "7" && on == "1"), true);
  await page.getByLabel("Signed in as").selectOption("");
  await page.getByRole("button", { name: "Send it" }).click();
  await answer.getByText("token-missing").waitFor();
  assert.equal(await page.locator(".unlocked").first().isVisible(), true, "Swagger UI is signed out too");
  /** How bright, of 765. @param {string} selector */
  const bright = (selector) =>
    page.locator(selector).first().evaluate((one) => getComputedStyle(one).color.match(/[\d.]+/g)?.slice(0, 3).reduce((sum, part) => sum + +part, 0));
  for (const selector of [".opblock-summary-description", ".info p", "h2"]) {
    const found = await bright(selector);
    assert.ok((found ?? 0) > 450, `${selector}: ${found}`);
  }
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.equal(wide[0], wide[1]);
});

test("where Swagger UI is not installed, the page says how to, and where the description is", async () => {
  const page = await open();
  await page.route("**/swagger-ui-dist/**", (route) => route.fulfill({ status: 404 }));
  await page.goto(new URL("/api/", demo).href);
  await page.getByText("dev/web packages").waitFor();
  assert.equal(await page.getByRole("link", { name: "openapi" }).getAttribute("href"), `${service()}/v1/openapi.json`);
});

test("the page of a problem is as it is meant, in its policy's eyes too", async () => {
  const page = await open();
  /** @type {string[]} */
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${service()}/v1/problems/not-warm`);
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "not-warm");
  assert.equal(await page.locator("html").evaluate((root) => getComputedStyle(root).backgroundColor), "rgb(23, 24, 26)");
  await page.getByRole("link", { name: "Problems" }).click();
  await page.getByRole("heading", { name: "held" }).getByRole("link").click();
  await page.waitForURL("**/v1/problems/held");
  assert.deepEqual(said, []);
});
