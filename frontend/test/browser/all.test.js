// One process, one stack: node --test starts a process for each file it is given.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { errors } from "./page.js";
import { start, stop, test } from "./stack.js";

before(start);
after(stop);
for (const file of process.env.ONLY?.split(",") ?? ["buttons", "faults", "signin", "counting", "lists", "reading", "access", "looks", "api", "frameworks", "firefox"]) await import(`./${file}.js`);
test("no script of any page has failed", () => assert.deepEqual(errors, []));
