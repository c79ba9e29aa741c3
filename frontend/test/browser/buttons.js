import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { allow, refuse } from "./own.js";
import { open, state } from "./page.js";
import { kinds } from "../../src/kinds.js";
import { browser, eventually, interactions, newcomer, rows, test, untouched } from "./stack.js";

for (const { name, count } of kinds)
  test(`${name}: a click counts at once, in the service, and as a row in MySQL`, async () => {
    const { article, user, buttons, page } = await open();
    const button = buttons[name];
    assert.deepEqual(await state(button), ["false", "0"]);
    await button.click();
    assert.deepEqual(await state(button), ["true", "1"], "without waiting for the service");
    await eventually(() => rows(article, name), [[user, "1"]]);
    await eventually(async () => (await interactions(article))[count], 1);
    await page.reload();
    await eventually(() => state(button), ["true", "1"]);
    await button.click();
    await eventually(() => rows(article, name), [[user, "0"]]);
    assert.deepEqual(await state(button), ["false", "0"]);
  });

for (const kind of kinds) {
  const other = kinds.find(({ name }) => "excludes" in kind && name == kind.excludes);
  if (!other) continue;
  test(`a ${kind.name} shows a ${other.name} off at once, and so does the service`, async () => {
    const { article, user, buttons, changes } = await open();
    await buttons[other.name].click();
    await eventually(() => rows(article, other.name), [[user, "1"]]);
    const before = changes.length;
    await buttons[kind.name].click();
    for (const [{ name }, ...shown] of /** @type {const} */ ([[other, "false", "0"], [kind, "true", "1"]]))
      assert.deepEqual(await state(buttons[name]), shown, "without waiting for the service");
    await eventually(() => rows(article, other.name), [[user, "0"]]);
    await eventually(() => rows(article, kind.name), [[user, "1"]]);
    const answer = await interactions(article);
    assert.deepEqual([answer[other.count], answer[kind.count]], [0, 1]);
    assert.deepEqual(changes.slice(before), [`PUT ${kind.name}`]);
  });

  test(`a ${kind.name} that fails shows the ${other.name} on again`, async () => {
    const { page, article, user, buttons } = await open();
    await buttons[other.name].click();
    await eventually(() => rows(article, other.name), [[user, "1"]]);
    await page.route(`**/${kind.name}`, (route) => route.fulfill({ status: 500, headers: allow(route), body: "{}" }));
    await buttons[kind.name].click();
    assert.deepEqual(await state(buttons[other.name]), ["false", "0"]);
    await page.locator(`main article [kind=${kind.name}]`).getByText("Not saved. Try again.").waitFor();
    assert.deepEqual(await state(buttons[other.name]), ["true", "1"]);
    assert.deepEqual(await state(buttons[kind.name]), ["false", "0"]);
  });
}

test("the built module does the same as its source", async () => {
  const context = await browser.newContext();
  const built = readFileSync(new URL("../../dist/interaction.js", import.meta.url), "utf8");
  await context.route("**/src/index.js", (route) => route.fulfill({ contentType: "text/javascript", body: built }));
  const { article, user, buttons, likes, page, reads } = await open({ context });
  // In reverse order, so that the kinds that exclude the like are clicked before it.
  for (const { name } of [...kinds].reverse()) {
    await buttons[name].click();
    await eventually(() => rows(article, name), [[user, "1"]]);
  }
  await reads.getByText("1").waitFor();
  await page.reload();
  await eventually(likes, ["true", "1"]);
});

test("the last click of a double click holds", async () => {
  const { article, like, likes } = await open();
  await like.dblclick();
  await eventually(async () => (await interactions(article)).likes, 0);
  await eventually(likes, ["false", "0"]);
  await like.click({ clickCount: 3 });
  await eventually(async () => (await interactions(article)).likes, 1);
  await eventually(likes, ["true", "1"]);
});

test("clicks in two tabs of one user are one like, and both tabs show it", async () => {
  const context = await browser.newContext();
  const [article, user] = [untouched(), newcomer()];
  const first = await open({ article, user, context });
  const second = await open({ article, user, context });
  // At the same time, so neither tab knows of the other's click.
  await Promise.all([first.like.click(), second.like.click()]);
  await eventually(() => rows(article), [[user, "1"]]);
  for (const { likes } of [first, second]) await eventually(likes, ["true", "1"]);
  await first.like.click();
  await eventually(second.likes, ["false", "0"]);
});

test("offline a click waits, and is sent when the network is back", async () => {
  const { article, page, like, likes, status, changes } = await open();
  await page.context().setOffline(true);
  await like.click();
  assert.deepEqual(await likes(), ["true", "1"]);
  await status.getByText("Offline").waitFor();
  await like.click();
  await like.click();
  const before = changes.length;
  await page.context().setOffline(false);
  await eventually(async () => (await interactions(article)).likes, 1);
  await eventually(() => status.textContent(), "");
  assert.deepEqual([changes.slice(before), await likes()], [["PUT like"], ["true", "1"]]);
});

test("an error of the service takes the click back and says so", async () => {
  const { page, article, like, likes, status } = await open();
  await page.route("**/like", (route) => route.fulfill({ status: 500, headers: allow(route), body: "{}" }));
  await like.click();
  assert.deepEqual(await likes(), ["true", "1"]);
  await status.getByText("Not saved. Try again.").waitFor();
  assert.deepEqual(await likes(), ["false", "0"]);
  await page.unroute("**/like");
  await like.click();
  await eventually(() => rows(article).map(([, status]) => status), ["1"]);
  assert.equal(await status.textContent(), "", "the message is gone");
});

test("a 503 is sent again after Retry-After", async () => {
  const { page, article, like, likes } = await open();
  /** @type {number[]} */
  const times = [];
  await page.route("**/like", (route) => {
    times.push(Date.now());
    const body = JSON.stringify({ type: "/v1/problems/not-warm", title: "Temporarily unavailable", status: 503 });
    if (times.length > 1) return route.continue();
    return route.fulfill({ status: 503, headers: { ...allow(route), "Retry-After": "1" }, body });
  });
  await like.click();
  await eventually(async () => (await interactions(article)).likes, 1);
  assert.deepEqual([times.length, await likes()], [2, ["true", "1"]]);
  assert.ok(times[1] - times[0] >= 1000, `after ${times[1] - times[0]} ms`);
});

test("a visitor, or a user whose token has expired, is asked to sign in", async () => {
  for (const user of ["", "expired"]) {
    const { page, article, like, status, again } = await open({ user: newcomer() });
    await page.getByLabel("Signed in as").selectOption(user);
    await like.click();
    await status.getByText("Sign in first.").waitFor();
    for (const button of [like, again]) assert.equal(await button.getAttribute("aria-pressed"), "false");
    assert.equal((await interactions(article)).likes, 0);
  }
});

test("a barred user sees that the click is not allowed", async () => {
  const { page, article, like, likes, status } = await open();
  // As the service answers it, which the suite of the HTTP interface shows.
  await refuse(page, "**/like", 403, Infinity, "barred");
  await like.click();
  await status.getByText("Not allowed.").waitFor();
  assert.deepEqual([await likes(), (await interactions(article)).likes], [["false", "0"], 0]);
});

test("when another user signs in, the buttons are theirs", async () => {
  const [ada, bob] = [newcomer(), newcomer()];
  const { page, article, like, likes } = await open({ user: ada });
  await like.click();
  await eventually(() => rows(article), [[ada, "1"]]);
  await page.evaluate((user) => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelector("#user"));
    select.add(new Option(user, user));
  }, bob);
  await page.getByLabel("Signed in as").selectOption(bob);
  await eventually(likes, ["false", "1"]);
  await like.click();
  await eventually(() => rows(article).length, 2);
  await page.getByLabel("Signed in as").selectOption(ada);
  await eventually(likes, ["true", "2"]);
});

test("elements of one article show one state, and removing one does no harm", async () => {
  const { page, article, like, again, user } = await open();
  await like.click();
  assert.deepEqual(await state(again), ["true", "1"]);
  await again.click();
  assert.deepEqual(await state(like), ["false", "0"]);
  await eventually(() => rows(article), [[user, "0"]]);
  await like.click();
  await page.locator("main article reaction-button[kind=like]").evaluate((element) => element.remove());
  await eventually(() => rows(article), [[user, "1"]]);
  assert.deepEqual(await state(again), ["true", "1"]);
});
