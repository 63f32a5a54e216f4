// `npm run soak`: installs and builds what is missing, and runs the soak on Node, or on the runtime
// that `--runtime node|bun|deno|all` names. The other arguments are its own.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { takeRuntime } from "./bench_runtimes.js";
import { buildIfStale } from "./build.js";
import { root } from "./process.js";
import { bun, deno, node, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";

/** @import { Runtime } from "./runtimes.js" */

const runtimes = { node, bun, deno };
const source = join(root, "tests", "faults", "soak", "main.ts");

/** @type {Record<Runtime["kind"], readonly string[]>} */
const commands = {
  node: [join(root, "dist", "tests", "faults", "soak", "main.js")],
  bun: [source],
  deno: ["run", "-A", "--no-check", "--cached-only", source],
};

try {
  const { name, rest } = takeRuntime(process.argv.slice(2), startedByBun ? "bun" : "node");
  await ensureInstalled();
  await buildIfStale();
  const chosen = name === "all" ? Object.values(runtimes) : [runtimes[name]];
  for (const runtime of chosen) run(await runtime(), rest);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @param {Runtime} runtime @param {readonly string[]} args */
function run({ kind, label, executable, unavailable }, args) {
  if (unavailable !== undefined) throw new Error(`${label} is unavailable on ${unavailable}`);
  const { status, error } = spawnSync(executable, [...commands[kind], ...args], {
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) process.exitCode = 1;
}
