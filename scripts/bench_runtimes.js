// What the scripts of the bench have in common: how its peers are installed, and how it is started.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./process.js";
import { bun, deno, newestNode, newestNodeDirectory } from "./runtimes.js";
import { ensureInstalled, npm } from "./setup.js";

/** @import { Runtime } from "./runtimes.js" */

const directory = join(root, "bench");
const main = join(directory, "main.ts");
const profilerOptions = ["--cpu-prof", "--cpu-prof-dir", "DIRECTORY"];

/** @typedef {() => Promise<[string, ...string[]]>} CommandLine */

/** How the bench is started on each runtime. Node is the newest one, which runs TypeScript. */
export const runtimes = {
  /** @type {CommandLine} */
  node: async () => [executableOf(await newestNode()), main],
  /** @type {CommandLine} */
  bun: async () => [executableOf(await bun()), main],
  /** @type {CommandLine} */
  deno: async () => {
    const config = join(root, "deno.json");
    return [executableOf(await deno()), "run", "-A", "--no-check", "--config", config, main];
  },
};

/** The same with the runtime's own profiler, which writes to DIRECTORY. @type {typeof runtimes} */
export const profilers = {
  node: async () => [executableOf(await newestNode()), ...profilerOptions],
  bun: async () => [executableOf(await bun()), ...profilerOptions],
  deno: async () => {
    const config = join(root, "deno.json");
    const options = ["run", "-A", "--no-check", "--config", config];
    return [executableOf(await deno()), ...options, ...profilerOptions];
  },
};

/** Installs the dependencies, the newest Node, and the peers of the bench. */
export async function installBench() {
  // Standard output is for what was measured.
  console.log = console.error;
  await ensureInstalled();
  await ensureInstalled(newestNodeDirectory);
  await ensureInstalled(directory);
  await buildSqlite3();
}

/**
 * @param {readonly string[]} args
 * @param {keyof typeof runtimes} byDefault
 * @returns {{ name: keyof typeof runtimes | "all", rest: string[] }}
 */
export function takeRuntime(args, byDefault) {
  const rest = args.flatMap((arg) => arg.startsWith("--runtime=") ? arg.split("=") : [arg]);
  const index = rest.indexOf("--runtime");
  const [, name] = index === -1 ? [undefined, byDefault] : rest.splice(index, 2);
  if (name !== "node" && name !== "bun" && name !== "deno" && name !== "all") {
    throw new Error(`--runtime takes node, bun, deno or all, not ${name}`);
  }
  return { name, rest };
}

/**
 * Downloads or compiles the native part of `sqlite3`, which emmett-sqlite needs. Where that does not
 * work, the bench goes without it and says so.
 */
async function buildSqlite3() {
  const packageDirectory = join(directory, "node_modules", "sqlite3");
  if (!existsSync(packageDirectory) || existsSync(join(packageDirectory, "build", "Release"))) {
    return;
  }
  console.error("Building sqlite3, which may take a minute");
  const { ok, end, output } = await run(npm("rebuild", "sqlite3", "--foreground-scripts"), {
    cwd: directory,
  });
  if (!ok) console.error(`sqlite3 cannot be built: npm rebuild ${end}:\n${output.slice(-2_000)}`);
}

/** @param {Runtime} runtime */
function executableOf({ label, executable, unavailable }) {
  if (unavailable !== undefined) throw new Error(`${label} is unavailable on ${unavailable}`);
  return executable;
}
