import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { extname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "./harness.ts";

test("harness: a rejection that nobody handles fails the run, and is shown", () => {
  const { status, output } = runFile("left_rejection");
  assert.notEqual(status, 0, output);
  assert.match(output, /left alone/);
  // The other runners put it under the test that failed.
  assert.match(output, /one that leaves a rejected promise/);
});

test("harness: a test that never settles fails the run", () => {
  const { status, output } = runFile("never_settles");
  assert.notEqual(status, 0, output);
  assert.match(output, /one that never settles/);
});

/** Runs a file of tests in a process of its own, as the tests of this runtime are run. */
function runFile(name: string): { status: number | null; output: string } {
  const extension = extname(fileURLToPath(import.meta.url));
  const file = fileURLToPath(new URL(`harness_programs/${name}${extension}`, import.meta.url));
  // Otherwise Node takes it for a part of this run.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options(), file], {
    env,
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

function options(): string[] {
  if ("Deno" in globalThis) return ["test", "-A", "--no-check", "--cached-only"];
  if ("Bun" in globalThis) return ["test", "--timeout=2000"];
  return ["--test", "--test-timeout=2000"];
}
