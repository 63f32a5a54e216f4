import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime that can run the scripts of the tests as they are, source or compiled. */
export interface Runtime {
  readonly name: "node" | "bun" | "deno";
  readonly executable: string;
}

/** The directory of this package. */
export const root: string = findRoot();

const PACKAGES = join(root, "node_modules");

/** The runtime that runs this file. */
export const currentRuntime: Runtime = { name: nameOfCurrent(), executable: process.execPath };

/** Bun, or `undefined` if the npm package `bun` has no binary for this machine. */
export const bun: Runtime | undefined = find("bun", "@oven", join("bin", "bun"));

/** Deno, or `undefined` if the npm package `deno` has no binary for this machine. */
export const deno: Runtime | undefined = find("deno", "@deno", "deno");

function nameOfCurrent(): Runtime["name"] {
  if ("Deno" in globalThis) return "deno";
  return "bun" in process.versions ? "bun" : "node";
}

/** npm installs the binaries of a runtime as one package per platform, under a common scope. */
function find(name: Runtime["name"], scope: string, binary: string): Runtime | undefined {
  if (currentRuntime.name === name) return currentRuntime;
  const directory = join(PACKAGES, scope);
  if (!existsSync(directory)) return undefined;
  const suffix = process.platform === "win32" ? ".exe" : "";
  const executable = readdirSync(directory)
    .sort()
    .map((platform) => join(directory, platform, `${binary}${suffix}`))
    .find((file) => existsSync(file));
  return executable === undefined ? undefined : { name, executable };
}

/** The same for a source file and for its compiled counterpart. */
function findRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
}
