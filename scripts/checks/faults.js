// How the fault rig judges and shows the results of faults. Run by scripts/checks/source.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasFailed } from "../faults_child.js";
import { tableOf } from "../faults_table.js";

const fault = {
  name: "a",
  title: "a fault",
  unit: "rounds",
  counts: { test: 1, quick: 1, full: 1 },
  expectsFailures: false,
  date: "2026-01-02T03:04:05Z",
  seed: 1,
  machine: "a machine",
};
const expected = { ...fault, expectsFailures: true };
const good = {
  runtime: "node-20.1.0",
  seed: 1,
  tried: 1_000,
  failed: 0,
  failures: [],
  figures: {},
  seconds: 1,
};

test("a fault has failed if something failed, crashed, or nothing was tried", () => {
  assert.equal(hasFailed(fault, good), false);
  assert.equal(hasFailed(fault, { ...good, failed: 1 }), true);
  assert.equal(hasFailed(fault, { ...good, crash: "ended with SIGSEGV" }), true);
  assert.equal(hasFailed(fault, { ...good, tried: 0 }), true);
  assert.equal(hasFailed(fault, { ...good, tried: 0, unavailable: "no compiler" }), false);
});

test("a fault that must fail has failed if nothing failed", () => {
  assert.equal(hasFailed(expected, good), true);
  assert.equal(hasFailed(expected, { ...good, failed: 1 }), false);
  assert.equal(hasFailed(expected, { ...good, failed: 1, crash: "hung" }), true);
});

test("the table of faults says what was tried, on what, and with what result", () => {
  const bun = { ...good, runtime: "bun-1.2.3" };
  const rows = rowsOf([
    { ...fault, runs: [good, bun] },
    { ...fault, runs: [good, { ...bun, failed: 3 }] },
    { ...expected, runs: [good, { ...bun, failed: 1_000 }] },
    { ...expected, runs: [{ ...good, failed: 1 }, { ...bun, failed: 1_000 }] },
    { ...fault, runs: [good, { ...bun, crash: "hung" }] },
    { ...fault, runs: [{ ...good, tried: 0, unavailable: "no compiler" }] },
  ]);
  const both = "Node 20.1.0, Bun 1.2.3";
  assert.deepEqual(rows, [
    ["what was tried", "how often", "on", "when", "failed"],
    ["a fault", "2,000 rounds", both, "2026-01-02", "0"],
    ["a fault", "2,000 rounds", both, "2026-01-02", "3"],
    ["a fault", "2,000 rounds", both, "2026-01-02", "1000, which is TOO FEW"],
    ["a fault", "2,000 rounds", both, "2026-01-02", "1,001, as they must"],
    ["a fault", "2,000 rounds", both, "2026-01-02", "0, CRASHED"],
    ["a fault", "skipped", "no compiler", "2026-01-02", ""],
  ]);
});

/** @param {import("../faults_child.js").CarriedOut[]} faults */
function rowsOf(faults) {
  return tableOf(faults).split("\n").filter((line) => !line.startsWith("| -"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}
