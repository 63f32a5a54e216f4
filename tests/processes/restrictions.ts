import { spawnSync } from "node:child_process";
import process from "node:process";

/** A way to run a child with fewer rights than this process has. */
export interface Restriction {
  /** The command line that the child's is appended to. */
  readonly wrapper: readonly string[];
  /** Why children cannot be restricted so on this machine, or `undefined` if they can. */
  readonly unavailable: string | undefined;
}

/**
 * Refuses a child what the modes of files do not allow. So it is for every user but root, who must
 * give up the right to override them.
 */
export const obeyingFileModes: Restriction = process.getuid?.() === 0
  ? probe(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"])
  : { wrapper: [], unavailable: process.platform === "win32" ? "files have no modes" : undefined };

/**
 * Makes a directory part of a read-only file system, for a child only.
 *
 * @param path The directory.
 * @returns The restriction.
 */
export function withReadOnlyFileSystem(path: string): Restriction {
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return probe(["unshare", "--map-root-user", "--mount", "sh", "-c", mount, path]);
}

/**
 * Makes a directory a small file system of its own, for a child only, which vanishes with the
 * child.
 *
 * @param path The directory, which is empty.
 * @param bytes How many bytes fit into it.
 * @param inodes How many files and directories fit into it. Default: as many as there are bytes for.
 * @returns The restriction.
 */
export function withSmallFileSystem(path: string, bytes: number, inodes?: number): Restriction {
  const limits = `size=${bytes}${inodes === undefined ? "" : `,nr_inodes=${inodes}`}`;
  const mount = `mount -t tmpfs -o ${limits} tmpfs "$0" && exec "$@"`;
  return probe(["unshare", "--map-root-user", "--mount", "sh", "-c", mount, path]);
}

/**
 * Runs a child under a limit.
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
