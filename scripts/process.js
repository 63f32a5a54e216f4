import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The directory of the checkout, without a slash at its end. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

// What we have started runs in process groups of its own, which Ctrl+C does not reach: ending by
// `exit` lets the handlers below end them.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/**
 * @typedef {object} Outcome
 * @property {boolean} ok whether the process ended by itself with exit code 0
 * @property {string} end how it ended, in words
 * @property {string} output what it wrote, standard output and standard error together
 */

/**
 * Runs a program to its end and collects what it writes. Never rejects: a program that cannot be
 * started, or does not end in time, is an outcome too.
 *
 * @param {readonly string[]} command the program and its arguments
 * @param {{ cwd?: string, timeoutMs?: number }} [options]
 * @returns {Promise<Outcome>}
 */
export function run([program = "", ...args], { cwd = root, timeoutMs = 600_000 } = {}) {
  return new Promise((resolve) => {
    // A process group of its own, so that what a hanging test has started is ended with it.
    const child = spawn(program, args, {
      cwd,
      // Otherwise a `node:test` in the child takes itself for a part of the one that we may run in.
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    let output = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child);
    }, timeoutMs);
    const endWithUs = () => endGroup(child);
    process.once("exit", endWithUs);

    /** @param {boolean} ok @param {string} end */
    const finish = (ok, end) => {
      clearTimeout(timer);
      process.off("exit", endWithUs);
      resolve({ ok, end, output });
    };
    child.stdout.setEncoding("utf8").on("data", (text) => output += text);
    child.stderr.setEncoding("utf8").on("data", (text) => output += text);
    child.on("error", (error) => finish(false, `could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      if (timedOut) finish(false, `was ended after ${timeoutMs / 1000} s`);
      else finish(code === 0, signal ? `was ended by ${signal}` : `ended with exit code ${code}`);
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
