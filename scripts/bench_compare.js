// `npm run bench:compare`: runs the bench on Node, Bun and Deno, one after the other, writes what
// they say to bench/results/, with tables and charts. Arguments are the bench's own, such as --quick.
// With --only the other workloads keep their results, if they are of the same day and machine.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { installBench, runtimes } from "./bench_runtimes.js";
import { root } from "./process.js";

/** Messages of a JSON result are a few hundred KiB at most. */
const MAX_OUTPUT_BYTES = 2 ** 26;

const results = join(root, "bench", "results");

try {
  await installBench();
  mkdirSync(results, { recursive: true });
  for (const [name, command] of Object.entries(runtimes)) {
    const output = capture([...await command(), "--json", ...process.argv.slice(2)]);
    const file = join(results, `${name}.json`);
    const result = isPart() ? merged(file, JSON.parse(output)) : JSON.parse(output);
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  }
  const [node] = await runtimes.node();
  console.log(capture([node, join(root, "bench", "publish.ts")]));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function isPart() {
  return process.argv.some((argument) => argument.startsWith("--only"));
}

/**
 * Puts new results of some workloads in the place of the old ones.
 *
 * @param {string} file
 * @param {{ workloads: { name: string }[] }} result
 */
function merged(file, result) {
  if (!existsSync(file)) return result;
  const before = JSON.parse(readFileSync(file, "utf8"));
  if (conditionsOf(before) !== conditionsOf(result)) {
    throw new Error(`${file} is of another day, machine or version: measure all workloads`);
  }
  const isNew = (/** @type {{ name: string }} */ { name }) =>
    before.workloads.every((/** @type {{ name: string }} */ other) => other.name !== name);
  const workloads = before.workloads.map((/** @type {{ name: string }} */ old) =>
    result.workloads.find(({ name }) => name === old.name) ?? old
  );
  return { ...before, workloads: [...workloads, ...result.workloads.filter(isNew)] };
}

/** What results that stand side by side must have in common. @param {any} result */
function conditionsOf({ runtimeVersion, quick, date, machine }) {
  return JSON.stringify({ runtimeVersion, quick, day: date.slice(0, 10), cpu: machine.cpu });
}

/**
 * Runs a program, shows its standard error and returns its standard output.
 *
 * @param {readonly string[]} command
 */
function capture([program = "", ...args]) {
  const { status, signal, error, stdout } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ended with ${signal ?? `exit code ${status}`}`);
  return stdout;
}
