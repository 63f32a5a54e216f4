import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./process.js";
import { bun, nodeOfNpm, startedByBun } from "./runtimes.js";

/**
 * Installs the packages of the lock file that are missing or out of date.
 *
 * @param {string} [directory] where package.json is
 */
export async function ensureInstalled(directory = root) {
  if (startedByBun ? existsSync(join(directory, "node_modules")) : isInstalled(directory)) return;
  // No script of a dependency is needed, so none is run: their binaries are packages too.
  const command = startedByBun
    ? [(await bun()).executable, "install", "--no-save", "--ignore-scripts"]
    : npm("ci", "--ignore-scripts", "--no-audit", "--no-fund");
  console.log(`Installing the dependencies of ${directory}`);
  const { ok, end, output } = await run(command, { cwd: directory });
  if (!ok) throw new Error(`${command.join(" ")} ${end}:\n${output}`);
}

/**
 * The command line of the npm that runs us, on the Node that runs it.
 *
 * @param {...string} args
 */
export function npm(...args) {
  const cli = process.env["npm_execpath"] ?? "";
  if (/npm-cli\.c?js$/.test(cli)) return [nodeOfNpm, cli, ...args];
  return process.platform === "win32" ? ["cmd", "/c", "npm", ...args] : ["npm", ...args];
}

/**
 * The command line of a tool among the dependencies.
 *
 * @param {string} packageName
 * @param {...string} args
 */
export function tool(packageName, ...args) {
  return toolIn(root, packageName, ...args);
}

/**
 * The command line of a tool that is installed elsewhere.
 *
 * @param {string} installedIn where its node_modules is
 * @param {string} packageName
 * @param {...string} args
 */
export function toolIn(installedIn, packageName, ...args) {
  const directory = join(installedIn, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const file = /** @type {string} */ (typeof bin === "string" ? bin : Object.values(bin)[0]);
  return [nodeOfNpm, join(directory, file), ...args];
}

/**
 * Compares the lock file with the record that npm keeps of what it has installed.
 *
 * @param {string} directory
 */
function isInstalled(directory) {
  const record = join(directory, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = readPackages(join(directory, "package-lock.json"));
  const installed = readPackages(record);
  return Object.keys(installed).every((path) => path in wanted) &&
    Object.entries(wanted).every(([path, entry]) =>
      // The project itself is not installed; optional packages may be for another platform.
      path === "" || (path in installed ? isSame(installed[path], entry) : entry.optional)
    );
}

/** @typedef {{ version: string, integrity?: string, optional?: boolean }} LockedPackage */

/** @param {string} path @returns {Record<string, LockedPackage>} */
function readPackages(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages;
}

/** @param {LockedPackage | undefined} a @param {LockedPackage} b */
function isSame(a, b) {
  return a?.version === b.version && a?.integrity === b.integrity;
}
