// Makes dist/: what `npm pack` ships, and what Node runs.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, run } from "./process.js";
import { ensureInstalled, tool } from "./setup.js";

const dist = join(root, "dist");
const sources = [
  "mod.ts",
  "core",
  "adapters",
  "tests",
  "examples",
  "scripts",
  "bench",
  "package-lock.json",
];
const configurations = ["tsconfig.json", "tsconfig.build.json"];

/** Makes dist/ anew. */
export async function build() {
  rmSync(dist, { recursive: true, force: true });
  const command = tool("typescript", "-p", "tsconfig.build.json", "--noEmitOnError");
  const { ok, end, output } = await run(command);
  if (!ok) throw new Error(`Building ${end}:\n${output}`);
}

/** Makes dist/ anew if a source has changed since it was made. */
export async function buildIfStale() {
  const inputs = [...sources, ...configurations].map((name) => join(root, name));
  const made = join(dist, "mod.js");
  if (existsSync(made) && statSync(made).mtimeMs > Math.max(...inputs.map(lastChange))) return;
  console.log("Building");
  await build();
}

/**
 * When a file, or anything below a directory, last changed. Directories count themselves, for a
 * file that was removed leaves no other trace.
 *
 * @param {string} path
 * @returns {number}
 */
function lastChange(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  const below = readdirSync(path).filter((name) => name !== "node_modules");
  return Math.max(status.mtimeMs, ...below.map((name) => lastChange(join(path, name))));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await ensureInstalled();
    await build();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
