import assert from "node:assert/strict";
import process from "node:process";
import { test } from "../harness.ts";
import { faultCountsOf } from "../repetitions.ts";
import type { Fault } from "./fault.ts";

/** How many failures a test shows: the first ones tell enough. */
const SHOWN_FAILURES = 5;

/**
 * Registers a test for each fault, which carries it out as often as `npm test` does. The environment
 * variable `FAULT_SEED` replays a seed.
 *
 * @param faults The faults.
 */
export async function describeFaults(faults: readonly Fault[]): Promise<void> {
  for (const fault of faults) await describeFault(fault);
}

async function describeFault(fault: Fault): Promise<void> {
  const { name, title, unit, expectsFailures = false } = fault;
  const count = faultCountsOf(name).test;
  const reason = await fault.unavailable?.();
  if (reason !== undefined) {
    test.skip(`${name}: ${title} (${reason})`, () => {});
    return;
  }
  test(`${name}: ${title}, ${count} ${unit}`, async () => {
    const seed = seedOfTest();
    const { tried, failures } = await fault.run({ seed, count, progress() {} });
    const replay = `replay with FAULT_SEED=${seed}`;
    assert.ok(tried > 0, `no ${unit} were tried; ${replay}`);
    if (expectsFailures) {
      assert.ok(failures.length > 0, `nothing failed in ${tried} ${unit}; ${replay}`);
    } else {
      const shown = failures.slice(0, SHOWN_FAILURES).join("\n");
      assert.equal(failures.length, 0, `${failures.length} failures; ${replay}\n${shown}`);
    }
  });
}

function seedOfTest(): number {
  const stated = process.env["FAULT_SEED"];
  return stated === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(stated);
}
