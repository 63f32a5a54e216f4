// What `npm test` runs: suites of tests, each in a process of its own that reports in JUnit's
// format, which Node, Bun and Deno all write.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
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
const testTimeoutMs = 480_000;

/** After this long a suite is taken to hang. */
const suiteTimeoutMs = 1_200_000;

/**
 * In the order in which they begin: first the one that is short and fails most often, then the
 * longest, so that none of them is left alone at the end.
 *
 * @type {readonly Suite[]}
 */
export const suites = [
  { name: "source", label: "source", runtime: node, command: runChecks("source.js") },
  { name: "node", runtime: node, usesBuild: true, command: runOnNode },
  { name: "newest-node", runtime: newestNode, usesBuild: true, command: runOnNewestNode },
  { name: "deno", runtime: deno, command: runOnDeno },
  { name: "bun", runtime: bun, command: runOnBun },
  {
    name: "package",
    label: "package",
    runtime: node,
    usesBuild: true,
    command: runChecks("package.js"),
  },
];

/**
 * What `--quick` runs: without a build, so on Node the newest one, which reads the sources.
 *
 * @type {readonly Suite[]}
 */
export const quickSuites = [
  { name: "node", runtime: newestNode, command: runQuicklyOnNode },
  { name: "bun", runtime: bun, command: runQuicklyOnBun },
  { name: "deno", runtime: deno, command: runQuicklyOnDeno },
];

/**
 * What runs on the newest Node beside all that runs on yours: what native code, the operating
 * system and the program's end have a part in. The rest is the same JavaScript, also what checks the
 * pages of files.
 */
const nativeFiles =
  /^tests[\\/](lmdb[\\/](?!conformance_test\.ts|verify[\\/](?!open_file))|(demo|examples|msgpackr)_test\.ts$)/;

/**
 * What runs on Bun only, which needs a third of the time for it: it tries core, which knows no
 * runtime, on a storage that answers late.
 */
const onceFiles = /^tests[\\/]delayed_conformance_test\.ts$/;

/** What takes less time than to start a process for it. */
const smallFiles = /^(dist[\\/])?tests[\\/]core[\\/]/;

/**
 * What `--quick` leaves out: the faults, what runs programs or many processes, what waits for real
 * time to pass, and the conformance of all but the storage itself on others than memory.
 */
const slowFiles = new RegExp(
  [
    String.raw`^tests[\\/]faults[\\/]`,
    String.raw`^tests[\\/](lmdb[\\/]|delayed_)conformance_test`,
    String.raw`[\\/](demo|examples|deno_permissions|processes|threads)_test`,
    String.raw`[\\/](opening|own_files|open_file|files_gone|bounded)_test`,
    String.raw`[\\/](standing_reader|size_limit|commit_timeout|outbox_dispatcher)_test`,
  ].join("|"),
);

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
    .filter((test) => !/^name="[^"]*_test\.[jt]s"[^>]*\/>/.test(test));
  const failed = tests.filter((test) => /<(failure|error)\b/.test(test)).length;
  const skipped = tests.filter((test) => /<skipped\b/.test(test)).length;
  return { passed: tests.length - failed - skipped, failed, skipped };
}

/**
 * Leaves out what Bun and Deno say of tests that passed, and then the names of files of which Bun
 * says nothing else.
 *
 * @param {string} output
 */
function withoutPasses(output) {
  return output.replaceAll(/^(\((pass|skip)\) .*|.* \.\.\. (ok|ignored) \(.*\))\n/gm, "")
    .replaceAll(/^\S+_test\.ts:\n\n/gm, "");
}

/** @type {Suite["command"]} */
function runOnNode({ executable }, report) {
  const files = inFewProcesses(filesOfEachRuntime().map(compiled), report);
  return nodeTest(executable, report, files);
}

/** @type {Suite["command"]} */
function runOnNewestNode({ executable }, report) {
  const files = testFiles().filter((file) => nativeFiles.test(file));
  return nodeTest(executable, report, files.map(compiled));
}

/** @type {Suite["command"]} */
function runOnBun({ executable }, report) {
  return bunTest(executable, report, testFiles());
}

/** @type {Suite["command"]} */
function runOnDeno({ executable }, report) {
  return denoTest(executable, report, filesOfEachRuntime());
}

/** @type {Suite["command"]} */
function runQuicklyOnNode({ executable }, report) {
  // By default it leaves one of the cores alone.
  const files = inFewProcesses(quickFiles(), report);
  const [program = "", ...args] = nodeTest(executable, report, files);
  return [program, `--test-concurrency=${availableParallelism()}`, ...args];
}

/** @type {Suite["command"]} */
function runQuicklyOnBun({ executable }, report) {
  return bunTest(executable, report, quickFiles(), ["--parallel"]);
}

/** @type {Suite["command"]} */
function runQuicklyOnDeno({ executable }, report) {
  return denoTest(executable, report, quickFiles(), ["--parallel"]);
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

/**
 * @param {string} executable
 * @param {string} report
 * @param {readonly string[]} files
 * @param {readonly string[]} [more] other options
 */
function bunTest(executable, report, files, more = []) {
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  // Without "./" Bun takes a path for a filter, which matches files in dist/ too.
  const paths = files.map((file) => `./${file}`);
  return [executable, "test", `--timeout=${testTimeoutMs}`, ...reporter, ...more, ...paths];
}

/**
 * @param {string} executable
 * @param {string} report
 * @param {readonly string[]} files
 * @param {readonly string[]} [more] other options
 */
function denoTest(executable, report, files, more = []) {
  // `deno check` is one of the checks of the source. Nothing is to be had from the network.
  const options = ["-A", "--no-check", "--cached-only", `--junit-path=${report}`];
  return [executable, "test", ...options, ...more, ...files];
}

/** The conformance suites come first: they take longest. */
function testFiles() {
  const files = readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("_test.ts"))
    .map((file) => join("tests", file))
    .sort();
  const isLong = (/** @type {string} */ file) => file.endsWith("conformance_test.ts");
  return [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
}

/**
 * Replaces small files by one that runs the tests of all of them, since Node starts a process for
 * each file.
 *
 * @param {readonly string[]} files
 * @param {string} report beside which that file is written
 */
function inFewProcesses(files, report) {
  const isSmall = (/** @type {string} */ file) => smallFiles.test(file);
  const imports = files.filter(isSmall)
    .map((file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`);
  const together = join(dirname(report), "small_test.js");
  writeFileSync(together, imports.join(""));
  return [...files.filter((file) => !isSmall(file)), together];
}

/** @param {string} file */
function compiled(file) {
  return join("dist", file.replace(/\.ts$/, ".js"));
}

function filesOfEachRuntime() {
  return testFiles().filter((file) => !onceFiles.test(file));
}

function quickFiles() {
  return testFiles().filter((file) => !slowFiles.test(file));
}
