// `npm test`: installs what is missing, builds, and runs the suites, or those that are named as
// arguments. `bun run test` runs the suite of Bun.
import process from "node:process";
import { build } from "./build.js";
import { newestNodeDirectory, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";
import { runSuite, suites } from "./suites.js";

/** @import { Result, Suite } from "./suites.js" */

try {
  const chosen = chooseSuites(process.argv.slice(2));
  await ensureInstalled();
  let isBuilt = false;
  if (chosen.some(({ usesBuild }) => usesBuild)) {
    await ensureInstalled(newestNodeDirectory);
    isBuilt = await tryToBuild();
  }
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
  // Two at a time take from the queue: much of what a test does is to wait for the disk.
  await Promise.all([work(), work()]);
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
