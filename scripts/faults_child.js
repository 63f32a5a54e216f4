// Carries out faults in processes of their own.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { root } from "./process.js";

/** @import { Runtime } from "./runtimes.js" */

/**
 * @typedef {object} FaultDescription
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {{ test: number, quick: number, full: number }} counts
 * @property {boolean} expectsFailures
 */

/**
 * @typedef {object} FaultRun the result of a fault on a runtime
 * @property {string} runtime name and version
 * @property {number} seed
 * @property {number} tried
 * @property {number} failed
 * @property {readonly string[]} failures the first of them
 * @property {Record<string, number | string>} figures
 * @property {number} seconds
 * @property {string} [crash] how the process ended, if not by itself
 * @property {string} [unavailable] why it was skipped
 */

/**
 * @typedef {object} FaultResult
 * @property {string} date when it was begun
 * @property {number} seed
 * @property {string} machine
 * @property {readonly FaultRun[]} runs
 */

/** @typedef {FaultDescription & FaultResult} CarriedOut */

/** If nothing more has been carried out for this long, the fault is taken to hang. */
const STALL_MS = 600_000;
/** How many failures are kept. */
const KEPT_FAILURES = 100;
const PROGRESS_MS = 10_000;

/**
 * Whether a fault has shown something that it must not.
 *
 * @param {FaultDescription} fault
 * @param {FaultRun} run
 */
export function hasFailed({ expectsFailures }, { crash, tried, failed, unavailable }) {
  if (unavailable !== undefined) return false;
  return crash !== undefined || tried === 0 || (expectsFailures ? failed === 0 : failed > 0);
}

/**
 * Which faults there are.
 *
 * @param {Runtime} runtime
 * @returns {Promise<FaultDescription[]>}
 */
export async function listFaults(runtime) {
  /** @type {FaultDescription[]} */
  const faults = [];
  const crash = await start(runtime, {}, (report) => {
    faults.push(/** @type {FaultDescription} */ (report));
  });
  if (crash !== undefined) throw new Error(crash);
  return faults;
}

/**
 * Carries out a fault. Never rejects: a crash is a result, too.
 *
 * @param {FaultDescription} fault
 * @param {Runtime} runtime
 * @param {{ seed: number, count: number }} options
 * @returns {Promise<FaultRun>}
 */
export async function carryOut(fault, runtime, { seed, count }) {
  /** @type {FaultRun} */
  let run = {
    runtime: runtime.label,
    seed,
    tried: 0,
    failed: 0,
    failures: [],
    figures: {},
    seconds: 0,
  };
  if (runtime.unavailable !== undefined) return { ...run, unavailable: runtime.unavailable };
  const startedAt = performance.now();
  const showProgress = progressOf(`${fault.name} on ${runtime.label}`, count);
  let hasResult = false;
  const crash = await start(runtime, { name: fault.name, seed, count }, (report) => {
    // tests/faults/run_fault.ts reports so.
    const { unavailable, done, result } = /** @type {any} */ (report);
    if (unavailable !== undefined) run = { ...run, unavailable };
    if (done !== undefined) {
      run = { ...run, tried: done };
      showProgress(done);
    }
    if (result === undefined) return;
    hasResult = true;
    const { tried, failures, figures = {} } = result;
    run = {
      ...run,
      tried,
      failed: failures.length,
      // Failures that must happen say nothing new.
      failures: fault.expectsFailures ? [] : failures.slice(0, KEPT_FAILURES),
      figures,
    };
  });
  showProgress(undefined);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const isOver = hasResult || run.unavailable !== undefined;
  const end = crash ?? (isOver ? undefined : "it has ended without a result");
  return { ...run, seconds, ...(end !== undefined && { crash: end }) };
}

/**
 * Runs the script that carries out faults.
 *
 * @param {Runtime} runtime
 * @param {object} job
 * @param {(report: unknown) => void} onReport
 * @returns {Promise<string | undefined>} how it ended, if not well
 */
function start({ kind, executable }, job, onReport) {
  const script = kind === "node"
    ? join(root, "dist", "tests", "faults", "run_fault.js")
    : join(root, "tests", "faults", "run_fault.ts");
  const options = kind === "deno" ? ["run", "-A", "--no-check", "--cached-only"] : [];
  return new Promise((resolve) => {
    // A group of its own, so that what a fault has started ends with it.
    const child = spawn(executable, [...options, script, JSON.stringify(job)], {
      cwd: root,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    let errors = "";
    let isStalled = false;
    const end = () => endGroup(child);
    const stall = () => {
      isStalled = true;
      end();
    };
    let timer = setTimeout(stall, STALL_MS);
    process.once("exit", end);
    child.stderr.setEncoding("utf8").on("data", (text) => errors = (errors + text).slice(-4_000));
    createInterface({ input: child.stdout }).on("line", (line) => {
      clearTimeout(timer);
      timer = setTimeout(stall, STALL_MS);
      try {
        onReport(JSON.parse(line));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        // Something other than a report.
        errors = `${errors}${line}\n`.slice(-4_000);
      }
    });
    /** @param {string | undefined} how */
    const finish = (how) => {
      clearTimeout(timer);
      process.off("exit", end);
      // Ends what a crashed fault may have left.
      end();
      resolve(how);
    };
    child.on("error", (error) => finish(`could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      if (isStalled) finish(`hung for ${STALL_MS / 1000} s: ${errors}`);
      else if (code === 0) finish(undefined);
      else finish(`ended with ${signal ?? `exit code ${code}`}: ${errors}`);
    });
  });
}

/** @param {import("node:child_process").ChildProcess} child */
function endGroup(child) {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // It has ended already, as wanted.
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
  }
}

/**
 * Shows how far a fault is: in one line that changes on a terminal, else now and then.
 *
 * @param {string} name
 * @param {number} count
 * @returns {(done: number | undefined) => void} `undefined` when it is over
 */
function progressOf(name, count) {
  const isTerminal = process.stdout.isTTY;
  let shownAt = performance.now();
  return (done) => {
    if (done === undefined) {
      if (isTerminal) process.stdout.write("\r\x1b[K");
      return;
    }
    if (isTerminal) process.stdout.write(`\r\x1b[K${name}: ${done} of ${count}`);
    else if (performance.now() - shownAt > PROGRESS_MS) {
      shownAt = performance.now();
      console.log(`${name}: ${done} of ${count}`);
    }
  };
}
