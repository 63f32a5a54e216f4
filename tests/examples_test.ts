import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "./harness.ts";
import { examples, extension, runExample } from "./run_example.ts";

// Each asserts its own outcome.
const names = readdirSync(examples)
  .filter((name) => name.endsWith(extension))
  .map((name) => name.slice(0, -extension.length));

for (const name of names) {
  test(`example: ${name} runs, and says what came of it`, async () => {
    assert.notEqual(await runExample(name), "");
  });
}

test("example: all are found", () => {
  for (const name of ["bank_account", "bank_account_test", "shopping_cart"]) {
    assert.ok(names.includes(name), name);
  }
});
