// `npm run faults`: tries to break the promise "acknowledged means on disk", on Node, Bun and Deno,
// and ends with a table of what was tried, how often, and what failed.
//
//   --quick           with few trials, in a minute or two
//   --seed N          replays a run
//   --only NAME,NAME  only these faults
//   --runtime NAME    only on node, bun or deno
//   --json FILE       writes the result; `node scripts/faults_readme.js` puts it into the documents
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildIfStale } from "./build.js";
import { carryOut, hasFailed, listFaults } from "./faults_child.js";
import { tableOf } from "./faults_table.js";
import { bun, deno, node, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";

/** @import { CarriedOut, FaultDescription, FaultRun } from "./faults_child.js" */
/** @import { Runtime } from "./runtimes.js" */

/** How many failures are shown as they come: the first ones say enough. */
const SHOWN_FAILURES = 10;
/** Spreads the seeds of runtimes, so that they do not all try the same. */
const SEED_STEP = 0x9e3779b1;

const runtimes = { node, bun, deno };

try {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      seed: { type: "string" },
      only: { type: "string" },
      runtime: { type: "string" },
      json: { type: "string" },
    },
  });
  await ensureInstalled();
  await buildIfStale();
  const chosenRuntimes = await chooseRuntimes(values.runtime);
  const known = await listFaults(await anyOf(chosenRuntimes));
  const faults = chooseFaults(known, values.only);
  const seed = values.seed === undefined
    ? Math.floor(Math.random() * 2 ** 32)
    : seedOf(values.seed);
  console.log(`Seed ${seed}\n`);
  const results = await runAll(faults, chosenRuntimes, {
    seed,
    isQuick: values.quick,
    // Whatever ends a long run early, what it has done so far is kept.
    onResult: (result) => values.json !== undefined && keep(result, values.json, known),
  });
  console.log(`\n${tableOf(results)}\n\nSeed ${seed}`);
  if (results.some((fault) => fault.runs.some((run) => hasFailed(fault, run)))) {
    process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @param {string | undefined} name @returns {Promise<Runtime[]>} */
async function chooseRuntimes(name) {
  const byDefault = startedByBun ? "bun" : "all";
  const chosen = name ?? byDefault;
  if (chosen !== "node" && chosen !== "bun" && chosen !== "deno" && chosen !== "all") {
    throw new Error(`--runtime takes node, bun, deno or all, not ${chosen}`);
  }
  const found = chosen === "all" ? Object.values(runtimes) : [runtimes[chosen]];
  return await Promise.all(found.map((runtime) => runtime()));
}

/** @param {readonly Runtime[]} chosen */
function anyOf(chosen) {
  const available = chosen.find(({ unavailable }) => unavailable === undefined);
  if (!available) throw new Error(`unavailable on ${chosen[0]?.unavailable}`);
  return available;
}

/** @param {readonly FaultDescription[]} faults @param {string | undefined} only */
function chooseFaults(faults, only) {
  if (only === undefined) return faults;
  const names = only.split(",");
  const unknown = names.filter((name) => !faults.some((fault) => fault.name === name));
  if (unknown.length > 0) {
    const known = faults.map(({ name }) => name).join(", ");
    throw new Error(`There is no fault ${unknown.join(", ")}. There are: ${known}`);
  }
  return faults.filter(({ name }) => names.includes(name));
}

/** @param {string} text */
function seedOf(text) {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new Error(`--seed takes an integer from 0 to 2^32 - 1, not ${text}`);
  }
  return seed;
}

/**
 * @param {readonly FaultDescription[]} faults
 * @param {readonly Runtime[]} chosen
 * @param {{ seed: number, isQuick: boolean, onResult: (result: CarriedOut) => void }} options
 * @returns {Promise<CarriedOut[]>}
 */
async function runAll(faults, chosen, { seed, isQuick, onResult }) {
  const [core] = cpus();
  const machine = `${process.platform}-${process.arch}, ${core?.model}, ${cpus().length} cores`;
  /** @type {CarriedOut[]} */
  const results = [];
  for (const fault of faults) {
    const date = new Date().toISOString();
    /** @type {FaultRun[]} */
    const runs = [];
    const count = Math.ceil(fault.counts[isQuick ? "quick" : "full"] / chosen.length);
    for (const [index, runtime] of chosen.entries()) {
      const seedThere = (seed + index * SEED_STEP) % 2 ** 32;
      const run = await carryOut(fault, runtime, { seed: seedThere, count });
      runs.push(run);
      tell(fault, run);
    }
    const result = { ...fault, date, seed, machine, runs };
    results.push(result);
    onResult(result);
  }
  return results;
}

/**
 * Writes a result to a file, instead of an earlier one of the same fault. The others in it stay.
 *
 * @param {CarriedOut} result
 * @param {string} file
 * @param {readonly FaultDescription[]} known all that there are, in the order in which they are kept
 */
function keep(result, file, known) {
  /** @type {readonly CarriedOut[]} */
  const earlier = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  const results = [result, ...earlier];
  const kept = known.flatMap(({ name }) => results.find((one) => one.name === name) ?? []);
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
}

/** @param {FaultDescription} fault @param {FaultRun} run */
function tell(fault, run) {
  const name = `${fault.name} on ${run.runtime}`;
  if (run.unavailable !== undefined) return console.log(`${name}: skipped: ${run.unavailable}`);
  const expected = fault.expectsFailures ? " (expected)" : "";
  console.log(
    `${name}: ${run.tried} ${fault.unit}, ${run.failed} failed${expected}, ${run.seconds} s`,
  );
  for (const [figure, value] of Object.entries(run.figures)) console.log(`  ${figure}: ${value}`);
  if (!hasFailed(fault, run)) return;
  for (const failure of run.failures.slice(0, SHOWN_FAILURES)) console.log(`  FAILED ${failure}`);
  if (run.crash !== undefined) console.log(`  FAILED ${run.crash}`);
  if (run.failed === 0 && fault.expectsFailures) console.log("  FAILED: nothing has failed");
  const [kind] = run.runtime.split("-");
  console.log(
    `  replay: npm run faults -- --only ${fault.name} --runtime ${kind} --seed ${run.seed}`,
  );
}
