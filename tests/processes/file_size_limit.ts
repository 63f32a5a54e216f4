import { spawnSync } from "node:child_process";
import process from "node:process";

/**
 * The command of `sh` that limits how large files may become. A file that grows too large is to be an
 * error, no signal, and only the soft limit is set: see {@linkcode raiseFileSizeLimit}.
 *
 * @param bytes The limit, a multiple of 512.
 * @returns The command.
 */
export function fileSizeLimit(bytes: number): string {
  // It counts in blocks of 512 bytes.
  return `trap "" XFSZ; ulimit -S -f ${bytes / 512}`;
}

/** Ends the limit of this process. */
export function raiseFileSizeLimit(): void {
  const args = ["--pid", `${process.pid}`, "--fsize=unlimited:"];
  const { status, error, stderr } = spawnSync("prlimit", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`prlimit failed: ${error?.message ?? stderr}`);
}
