// `npm test`: installs what is missing, builds, and runs the suites, or those that are named as
// arguments. `bun run test` runs the suite of Bun. `--quick node`, or `bun` or `deno`, runs what
// gives an answer within a minute.
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { build } from "./build.js";
import { newestNode, newestNodeDirectory, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";
import { quickSuites, runSuite, suites } from "./suites.js";

/** @import { Result, Suite } from "./suites.js" */

try {
  const { values: { quick }, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: "boolean", default: false } },
  });
  const chosen = quick ? [chooseQuickSuite(positionals)] : chooseSuites(positionals);
  await ensureInstalled();
  if (chosen.some(({ runtime, usesBuild }) => usesBuild || runtime === newestNode)) {
    await ensureInstalled(newestNodeDirectory);
  }
  const isBuilt = chosen.some(({ usesBuild }) => usesBuild) && await tryToBuild();
  summarize(await runAll(chosen, isBuilt));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @param {readonly string[]} names */
function chooseSuites(names) {
  if (names.length === 0 && startedByBun) return suites.filter(({ name }) => name === "bun");
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    const known = suites.map(({ name }) => name).join(", ");
    throw new Error(`There is no suite ${unknown.join(", ")}. There are: ${known}`);
  }
  return suites.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** @param {readonly string[]} names */
function chooseQuickSuite(names) {
  const [name = startedByBun ? "bun" : undefined, ...others] = names;
  const chosen = quickSuites.find((suite) => suite.name === name);
  if (chosen !== undefined && others.length === 0) return chosen;
  const known = quickSuites.map(({ name }) => name).join(", ");
  const given = names.length > 0 ? `not ${names.join(" ")}` : "and none is named";
  throw new Error(`--quick takes one runtime: ${known}; ${given}`);
}

/** Where building fails, the suites that use the build fail, and the others still tell more. */
async function tryToBuild() {
  console.log("Building");
  try {
    await build();
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
}

/**
 * @param {readonly Suite[]} chosen
 * @param {boolean} isBuilt
 * @returns {Promise<Result[]>} in the order of the suites
 */
async function runAll(chosen, isBuilt) {
  /** @type {Result[]} */
  const results = [];
  const queue = chosen.entries();
  const work = async () => {
    for (const [index, suite] of queue) results[index] = await runAndTell(suite, isBuilt);
  };
  // More than there are cores: much of what a test does is to wait for the disk.
  await Promise.all(Array.from({ length: availableParallelism() + 2 }, work));
  return results;
}

/**
 * @param {Suite} suite
 * @param {boolean} isBuilt
 */
async function runAndTell(suite, isBuilt) {
  console.log(`Running ${suite.name}`);
  const startedAt = performance.now();
  const result = await runSuite(suite, isBuilt);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (result.failed > 0) console.log(`\n${result.output}\n`);
  const outcome = result.unavailable ?? (result.failed > 0 ? "FAILED" : "passed");
  console.log(`Finished ${suite.name} in ${seconds} s: ${outcome}`);
  return result;
}

/** @param {readonly Result[]} results */
function summarize(results) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  console.log();
  for (const result of results) {
    if (result.unavailable !== undefined) {
      console.log(`${result.label}: unavailable on ${result.unavailable}`);
      continue;
    }
    console.log(`${result.label}: ${counts(result)}`);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
  }
  console.log(`total: ${counts(total)}`);
  if (total.failed > 0) process.exitCode = 1;
}

/** @param {{ passed: number, failed: number, skipped: number }} counted */
function counts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
