// Makes dist/: what `npm pack` ships, and what Node runs.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, run } from "./process.js";
import { ensureInstalled, tool } from "./setup.js";

const dist = join(root, "dist");
const sources = [
  "mod.ts",
  "core",
  "adapters",
  "testing",
  "tests",
  "examples",
  "scripts",
  "bench",
  "package-lock.json",
];
/** What is left of a module that has only types: its comments. */
const EMPTY_MODULE = /^(?:\/\*[^]*?\*\/|\/\/.*|\s)*export \{\};\s*$/;
const configurations = ["tsconfig.json", "tsconfig.build.json"];

/** Makes dist/ anew. */
export async function build() {
  rmSync(dist, { recursive: true, force: true });
  const command = tool("typescript", "-p", "tsconfig.build.json", "--noEmitOnError");
  const { ok, end, output } = await run(command);
  if (!ok) throw new Error(`Building ${end}:\n${output}`);
  removeUnreachableTypes();
}

/**
 * The files of the build that a user can reach, relative to the checkout: what the exports of
 * package.json name, and what that imports.
 *
 * @returns {Set<string>}
 */
export function reachableFiles() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  /** @type {Set<string>} */
  const reached = new Set();
  /** @param {string} file @param {string} extension */
  const visit = (file, extension) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(join(root, file), "utf8");
    // Not in comments, of which the examples import what is not here.
    const imports = /^(?!\s*(?:\*|\/[/*])).*?\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/gm;
    for (const [, specifier = ""] of text.matchAll(imports)) {
      const name = specifier.replace(/\.[jt]s$/, extension);
      visit(posix.join(posix.dirname(file), name), extension);
    }
  };
  for (const target of Object.values(exports).filter((target) => typeof target === "object")) {
    visit(posix.normalize(target.types), ".d.ts");
    visit(posix.normalize(target.default), ".js");
  }
  return reached;
}

/**
 * Declarations that no import of a user leads to, which are a tenth of the package, and the empty
 * modules beside them.
 */
function removeUnreachableTypes() {
  const reachable = reachableFiles();
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const file = posix.join("dist", name.replaceAll("\\", "/"));
    if (!file.endsWith(".d.ts") || reachable.has(file)) continue;
    rmSync(join(root, file));
    const code = join(root, file.replace(/\.d\.ts$/, ".js"));
    if (EMPTY_MODULE.test(readFileSync(code, "utf8"))) rmSync(code);
  }
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
