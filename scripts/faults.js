// `npm run faults`: tries to break the promise "acknowledged means on disk", on Node, Bun and Deno,
// and ends with a table of what was tried, how often, and what failed.
//
//   --quick           with few trials, in a minute or two
//   --seed N          replays a run
//   --only NAME,NAME  only these faults
//   --runtime NAME    only on node, bun or deno
//   --json FILE       writes the result; `node scripts/faults_readme.js` puts it into the documents
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildIfStale } from "./build.js";
import { carryOut, hasFailed, listFaults } from "./faults_child.js";
import { tableOf } from "./faults_table.js";
import { bun, deno, node, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";

/** @import { FaultDescription, FaultsResult, FaultRun } from "./faults_child.js" */
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
  const faults = chooseFaults(await listFaults(await anyOf(chosenRuntimes)), values.only);
  const seed = values.seed === undefined
    ? Math.floor(Math.random() * 2 ** 32)
    : seedOf(values.seed);
  console.log(`Seed ${seed}\n`);
  const result = await runAll(faults, chosenRuntimes, { seed, isQuick: values.quick });
  console.log(`\n${tableOf(result)}\n\nSeed ${seed}`);
  if (values.json !== undefined) {
    mkdirSync(dirname(resolve(values.json)), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (result.faults.some((fault) => fault.runs.some((run) => hasFailed(fault, run)))) {
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
 * @param {{ seed: number, isQuick: boolean }} options
 * @returns {Promise<FaultsResult>}
 */
async function runAll(faults, chosen, { seed, isQuick }) {
  /** @type {FaultsResult} */
  const result = {
    date: new Date().toISOString(),
    command: ["npm run faults", ...process.argv.slice(2)].join(" ").replace(
      "faults --",
      "faults -- --",
    ),
    seed,
    machine: `${process.platform}-${process.arch}, ${cpus()[0]?.model}, ${cpus().length} cores`,
    faults: [],
  };
  for (const fault of faults) {
    /** @type {FaultRun[]} */
    const runs = [];
    const count = Math.ceil(fault.counts[isQuick ? "quick" : "full"] / chosen.length);
    for (const [index, runtime] of chosen.entries()) {
      const seedThere = (seed + index * SEED_STEP) % 2 ** 32;
      const run = await carryOut(fault, runtime, { seed: seedThere, count });
      runs.push(run);
      tell(fault, run);
    }
    result.faults.push({ ...fault, runs });
  }
  return result;
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
