import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root } from "../processes/runtimes.ts";

const SOURCES = join(root, "tests", "faults");
const COMPILERS = ["cc", "gcc", "clang"];

/** How long a flush takes with the shim, in microseconds. */
const FLUSH_US = 300;

/** What can be preloaded into a process. */
export type Shim = "power_loss" | "opening" | "creation" | "exhaustion";

/**
 * Compiles a shim.
 *
 * @param name Which one.
 * @param file Where it is put.
 * @throws {Error} Where there is no C compiler that can.
 */
export function compileShim(name: Shim, file: string): void {
  const source = join(SOURCES, name, "shim.c");
  const errors: string[] = [];
  for (const compiler of COMPILERS) {
    const args = ["-shared", "-fPIC", "-O2", "-o", file, source, "-ldl", "-lpthread"];
    const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
    if (status === 0) return;
    errors.push(`${compiler}: ${error?.message ?? stderr.trim()}`);
  }
  throw new Error(errors.join("\n"));
}

/** Why a shim cannot be used here, or `undefined`. */
export function shimUnavailable(name: Shim): string | undefined {
  if (process.platform !== "linux") return `${process.platform} has no LD_PRELOAD`;
  const directory = mkdtempSync(join(tmpdir(), "cajun-shim-"));
  try {
    compileShim(name, join(directory, "shim.so"));
    return undefined;
  } catch (error) {
    return `no C compiler: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The command line that a process's is appended to, so that the shim watches it.
 *
 * @param shim The compiled shim.
 * @param directory The directory of the database.
 * @param log The log, which exists.
 * @returns The command line.
 */
export function watched(shim: string, directory: string, log: string): string[] {
  return [
    "env",
    `LD_PRELOAD=${shim}`,
    `POWER_LOSS_DIRECTORY=${directory}`,
    `POWER_LOSS_LOG=${log}`,
    `POWER_LOSS_FLUSH_US=${FLUSH_US}`,
  ];
}
