// `npm run demo`: installs and builds what is missing, and runs the demo on Node, or on the runtime
// that `--runtime node|bun|deno|all` names. The other arguments are the demo's own.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { buildIfStale } from "./build.js";
import { root } from "./process.js";
import { bun, deno, node, startedByBun } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";

/** @import { Runtime } from "./runtimes.js" */

const runtimes = { node, bun, deno };

/** @type {Record<Runtime["kind"], readonly string[]>} */
const commands = {
  node: [join(root, "dist", "examples", "flights", "demo.js")],
  bun: [join(root, "examples", "flights", "demo.ts")],
  // It starts processes, so it may do anything.
  deno: ["run", "-A", "--cached-only", join(root, "examples", "flights", "demo.ts")],
};

try {
  const { name, rest } = takeRuntime(process.argv.slice(2));
  await ensureInstalled();
  const chosen = name === "all" ? Object.values(runtimes) : [runtimes[name]];
  for (const runtime of chosen) await runDemo(await runtime(), rest);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/**
 * @param {readonly string[]} args
 * @returns {{ name: Runtime["kind"] | "all", rest: string[] }}
 */
function takeRuntime(args) {
  const rest = args.flatMap((arg) => arg.startsWith("--runtime=") ? arg.split("=") : [arg]);
  const index = rest.indexOf("--runtime");
  const [, value] = index === -1 ? [] : rest.splice(index, 2);
  const name = index === -1 ? (startedByBun ? "bun" : "node") : value;
  if (name !== "node" && name !== "bun" && name !== "deno" && name !== "all") {
    throw new Error(`--runtime takes node, bun, deno or all, not ${name}`);
  }
  return { name, rest };
}

/**
 * @param {Runtime} runtime
 * @param {readonly string[]} args
 */
async function runDemo({ kind, label, executable, unavailable }, args) {
  console.log(`\nThe demo on ${label}`);
  if (unavailable !== undefined) throw new Error(`${label} is unavailable on ${unavailable}`);
  if (kind === "node") await buildIfStale();
  const { status, signal, error } = spawnSync(executable, [...commands[kind], ...args], {
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) {
    console.error(`The demo on ${label} ended with ${signal ?? `exit code ${status}`}`);
    process.exitCode = 1;
  }
}
