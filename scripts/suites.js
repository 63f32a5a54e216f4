// What `npm test` runs: suites of tests, each in a process of its own that reports in JUnit's
// format, which Node, Bun and Deno all write.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./process.js";
import { bun, deno, newestNode, node } from "./runtimes.js";

/** @import { Runtime } from "./runtimes.js" */

/**
 * @typedef {object} Suite
 * @property {string} name what selects it on the command line
 * @property {() => Promise<Runtime>} runtime
 * @property {string} [label] what stands in its line, where it is not the runtime
 * @property {boolean} [usesBuild] whether it runs on what is in dist/
 * @property {(runtime: Runtime, report: string) => string[]} command
 *   the command line that runs it and writes a JUnit report
 */

/**
 * @typedef {object} Result
 * @property {string} label
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string} [unavailable] why it was not run
 * @property {string} output everything that the suite wrote, and how it ended
 */

/** After this long a test, or on Node 20 a file of tests, is taken to hang. */
const testTimeoutMs = 240_000;

/** After this long a suite is taken to hang. */
const suiteTimeoutMs = 1_200_000;

/** @type {readonly Suite[]} */
export const suites = [
  { name: "source", label: "source", runtime: node, command: runChecks("source.js") },
  {
    name: "package",
    label: "package",
    runtime: node,
    usesBuild: true,
    command: runChecks("package.js"),
  },
  { name: "node", runtime: node, usesBuild: true, command: runOnNode },
  { name: "newest-node", runtime: newestNode, usesBuild: true, command: runOnNode },
  { name: "bun", runtime: bun, command: runOnBun },
  { name: "deno", runtime: deno, command: runOnDeno },
];

/**
 * Runs a suite to its end.
 *
 * @param {Suite} suite
 * @param {boolean} isBuilt whether there is a build to run on
 * @returns {Promise<Result>}
 */
export async function runSuite(suite, isBuilt) {
  const runtime = await suite.runtime();
  const label = suite.label ?? runtime.label;
  const none = { label, passed: 0, failed: 0, skipped: 0, output: "" };
  if (runtime.unavailable !== undefined) return { ...none, unavailable: runtime.unavailable };
  if (suite.usesBuild && !isBuilt) return { ...none, failed: 1, output: "There is no build" };

  const directory = mkdtempSync(join(tmpdir(), "persistence-test-"));
  try {
    const report = join(directory, "report.xml");
    const { ok, end, output } = await run(suite.command(runtime, report), {
      timeoutMs: suiteTimeoutMs,
    });
    // Without a report it has crashed: then all that it wrote tells where.
    if (!existsSync(report)) return { ...none, failed: 1, output: `${output}\n${label} ${end}` };
    const counts = count(readFileSync(report, "utf8"));
    // A process that fails without a failed test, or runs no test at all, has failed as well.
    const failed = Math.max(counts.failed, ok && counts.passed > 0 ? 0 : 1);
    return { label, ...counts, failed, output: `${withoutPasses(output)}\n${label} ${end}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {string} report in JUnit's format */
function count(report) {
  const tests = report.split("<testcase ").slice(1)
    // Node reports a file as a test: one that passed is no test of ours.
    .filter((test) => !/^name="[^"]*_test\.js"[^>]*\/>/.test(test));
  const failed = tests.filter((test) => /<(failure|error)\b/.test(test)).length;
  const skipped = tests.filter((test) => /<skipped\b/.test(test)).length;
  return { passed: tests.length - failed - skipped, failed, skipped };
}

/** Leaves out what Bun and Deno say of tests that passed. @param {string} output */
function withoutPasses(output) {
  return output.replaceAll(/^(\((pass|skip)\) .*|.* \.\.\. (ok|ignored) \(.*\))\n/gm, "");
}

/** @type {Suite["command"]} */
function runOnNode({ executable }, report) {
  const files = testFiles().map((file) => join("dist", file.replace(/\.ts$/, ".js")));
  return nodeTest(executable, report, files);
}

/** @type {Suite["command"]} */
function runOnBun({ executable }, report) {
  // Without "./" Bun takes a path for a filter, which matches files in dist/ too.
  const files = testFiles().map((file) => `./${file}`);
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  return [executable, "test", `--timeout=${testTimeoutMs}`, ...reporter, ...files];
}

/** @type {Suite["command"]} */
function runOnDeno({ executable }, report) {
  // `deno check` is one of the checks of the source. Nothing is to be had from the network.
  const options = ["-A", "--no-check", "--cached-only", `--junit-path=${report}`];
  return [executable, "test", ...options, ...testFiles()];
}

/** @param {string} file @returns {Suite["command"]} */
function runChecks(file) {
  return ({ executable }, report) => nodeTest(executable, report, [`scripts/checks/${file}`]);
}

/** @param {string} executable @param {string} report @param {readonly string[]} files */
function nodeTest(executable, report, files) {
  const forUs = ["--test-reporter=junit", `--test-reporter-destination=${report}`];
  const forPeople = [
    "--test-reporter=./scripts/failures_reporter.js",
    "--test-reporter-destination=stdout",
  ];
  const timeout = `--test-timeout=${testTimeoutMs}`;
  return [executable, "--test", timeout, ...forUs, ...forPeople, ...files];
}

function testFiles() {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("_test.ts"))
    .map((file) => join("tests", file))
    .sort();
}
