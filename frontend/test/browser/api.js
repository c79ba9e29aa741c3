import assert from "node:assert/strict";
import { test } from "node:test";
import { errors } from "./page.js";
import { browser, demo, eventually, interactions, PATIENCE, rows, service, untouched } from "./stack.js";

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
  const methods = ["get", "put", "post", "delete", "options"];
  const items = Object.values(paths).map(({ $ref, ...item }) => ($ref ? components.pathItems[$ref.split("/").pop()] : item));
  const operations = items.flatMap((item) => Object.keys(item)).filter((key) => methods.includes(key));
  await eventually(() => page.locator(".opblock").count(), operations.length);

  const article = untouched();
  const like = page.locator("#operations-kinds-like");
  await like.locator(".opblock-summary-control").click();
  await like.locator("tr[data-param-name=id] input").fill(article);
  await like.getByRole("button", { name: "Execute" }).click();
  await like.locator(".live-responses-table .response-col_status", { hasText: "200" }).waitFor();
  await eventually(() => rows(article), [["7", "1"]]);
  assert.equal((await interactions(article)).likes, 1);
});

test("where Swagger UI is not installed, the page says how to, and where the description is", async () => {
  const page = await open();
  await page.route("**/swagger-ui-dist/**", (route) => route.fulfill({ status: 404 }));
  await page.goto(new URL("/api/", demo).href);
  await page.getByText("dev/web packages").waitFor();
  assert.equal(await page.getByRole("link").getAttribute("href"), `${service()}/v1/openapi.json`);
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
