// A visitor's click, and what becomes of it once they have signed in.
import assert from "node:assert/strict";
import { button, HEAR, heard, own, refuse } from "./own.js";
import { open, state } from "./page.js";
import { eventually, interactions, rows, test, untouched } from "./stack.js";

test("beside a refused click is a link to the sign-in, and back from there the like is made", async () => {
  const { page, article, like, likes, status } = await open({ user: "" });
  await like.click();
  const link = status.getByRole("link", { name: "Sign in" });
  assert.match((await link.getAttribute("href")) ?? "", /user=7/);
  assert.equal((await interactions(article)).likes, 0);
  await link.click();
  await page.waitForURL("**user=7**");
  await eventually(() => rows(article), [["7", "1"]]);
  await eventually(likes, ["true", "1"]);
  await like.click();
  await eventually(() => rows(article), [["7", "0"]]);
  await page.reload();
  await eventually(likes, ["false", "0"]);
  assert.deepEqual(rows(article), [["7", "0"]], "it is made once");
});

test("a like is made too where the sign-in leaves the page as it is, and the page hears of it", async () => {
  const article = untouched();
  const { page, user } = await own(`<reaction-button article=${article} kind=collect></reaction-button>`, {
    script: `${HEAR} let signedIn = false; module.configure({ token: () => (signedIn ? token : null) });
      window.signIn = () => { signedIn = true; module.changeUser(); };`,
  });
  await button(page).click();
  await eventually(() => heard(page), [["interaction-error", article, "collect", null, null, 401]]);
  await page.evaluate(() => /** @type {any} */ (window).signIn());
  await eventually(() => rows(article, "collect"), [[user, "1"]]);
  await eventually(async () => (await heard(page))[1], ["interaction-change", article, "collect", true, 1, null]);
});

test("what a visitor has already, a like before the sign-in does not take back", async () => {
  const article = untouched();
  const script = `let signedIn = SIGNED_IN; module.configure({ token: () => (signedIn ? token : null) });
    window.signIn = (now) => { signedIn = now; module.changeUser(); };`;
  const { page, user } = await own(`<reaction-button article=${article}></reaction-button>`, {
    script: script.replace("SIGNED_IN", "true"),
  });
  await button(page).click();
  await eventually(() => rows(article), [[user, "1"]]);
  await page.evaluate(() => /** @type {any} */ (window).signIn(false));
  await eventually(() => state(button(page)), ["false", "1"]);
  await button(page).click();
  await page.getByText("Sign in first.").waitFor();
  await page.evaluate(() => /** @type {any} */ (window).signIn(true));
  await eventually(() => state(button(page)), ["true", "1"]);
  assert.deepEqual(rows(article), [[user, "1"]]);
});

test("a failure has the id that the service's log has for it", async () => {
  const article = untouched();
  const { page } = await own(`<reaction-button article=${article}></reaction-button>`, {
    before: (page) => refuse(page, "**/like", 403, 1, "barred"),
    script: `module.configure({ token: () => token });
      addEventListener("interaction-error", ({ detail: { requestId, type } }) => (document.title = requestId + " " + type));`,
  });
  await button(page).click();
  await page.waitForFunction(() => document.title == "r-1 /v1/problems/barred");
});
