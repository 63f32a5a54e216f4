import { spawnSync } from "node:child_process";
import process from "node:process";

/** A way to run a child with less rights than this process has. */
export interface Restriction {
  /** The command line that the child's is appended to. */
  readonly wrapper: readonly string[];
  /** Why children cannot be restricted so on this machine, if so. */
  readonly unavailable: string | undefined;
}

/**
 * Lets a child be refused what the modes of files do not allow. That is so for everybody but root,
 * who must give up the rights to override them.
 */
export const obeyingFileModes: Restriction = process.getuid?.() === 0
  ? probe(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"])
  : { wrapper: [], unavailable: process.platform === "win32" ? "files have no modes" : undefined };

/**
 * Lets a child see a directory as one of a read-only file system.
 *
 * @param path The directory.
 * @returns The restriction.
 */
export function withReadOnlyFileSystem(path: string): Restriction {
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return probe(["unshare", "--map-root-user", "--mount", "sh", "-c", mount, path]);
}

/**
 * Lets a child see a directory as a small file system of its own, which vanishes with the child.
 *
 * @param path The directory, which is empty.
 * @param bytes How much fits into it.
 * @returns The restriction.
 */
export function withSmallFileSystem(path: string, bytes: number): Restriction {
  const mount = `mount -t tmpfs -o size=${bytes} tmpfs "$0" && exec "$@"`;
  return probe(["unshare", "--map-root-user", "--mount", "sh", "-c", mount, path]);
}

/**
 * Lets a child run under a limit.
 *
 * @param command The command of `sh` that sets the limit.
 * @returns The restriction.
 */
export function withLimit(command: string): Restriction {
  return probe(["sh", "-c", `${command} && exec "$@"`, "sh"]);
}

function probe(wrapper: readonly string[]): Restriction {
  const [command = "", ...args] = wrapper;
  const { status, stderr, error } = spawnSync(command, [...args, "true"], { encoding: "utf8" });
  return { wrapper, unavailable: status === 0 ? undefined : error?.message ?? stderr.trim() };
}
