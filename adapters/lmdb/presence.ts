/**
 * How the users of a database know of each other: each open environment has a file in its
 * directory, its presence. Other processes and threads see by it whether the environment is busy
 * with a commit, and the kernel says whether its owner still lives.
 *
 * - **Alive.** The presence is a listening Unix socket. A process or thread that dies closes it,
 *   then connecting to it is refused. One that is stopped, or computes, keeps it open. No clock and
 *   no process id is asked, so neither a clock that is set back, nor an id that is used again, nor
 *   containers with process ids of their own can mislead. On Windows it is a named pipe. Deno
 *   locks the file instead unless it may use the network; then only Deno can ask.
 * - **Busy.** The time of the file's last change is a mark, not a time. Setting it takes one system
 *   call and no open file, which Bun would leave open when a worker thread ends. If the presence
 *   has been removed, it fails: nobody goes on committing unseen.
 *
 * @module
 */

import { utimesSync } from "node:fs";
import {
  chmod,
  mkdtemp,
  readdir,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { codeOf } from "./files.ts";
import { isAnsweredAt, listenAt, mayUseSockets } from "./local_socket.ts";

/** What the names of presences begin with. */
const PRESENCE = ".presence-";
/** What the name of one begins with that is being made. */
const UNFINISHED = ".starting-";

/** The marks, in seconds since 1970. A file system need not tell apart less than two seconds. */
const IDLE_S = 500_000_000;
const BUSY_S = 1_000_000_000;

/**
 * The longest path of a socket, in bytes, on macOS; Linux allows 107. Node cuts off the rest without
 * an error.
 */
const MAX_SOCKET_PATH_BYTES = 103;
/** Who may use the directory may ask. Connecting to the socket does nothing. */
const SOCKET_MODE = 0o777;

/** The errors of a removal after which the file is gone, or belongs to another user. */
const MAY_STAY = new Set(["ENOENT", "ENOTDIR", "EPERM", "EACCES"]);
/** The errors that another kind of presence would meet, too. */
const OUT_OF_RESOURCES = new Set(["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "ENOMEM", "EROFS"]);

/**
 * How others find out whether the owner is alive: `socket` and `pipe` by connecting, `lock` by
 * trying to lock the file, `none` not at all.
 */
type Means = "socket" | "pipe" | "lock" | "none";

/** What we use of Deno. */
interface DenoApi {
  openSync(path: string, options: { read: true; write?: true; createNew?: true }): DenoFile;
}

interface DenoFile {
  lockSync(exclusive: boolean): void;
  tryLockSync(exclusive: boolean): boolean;
  close(): void;
}

const { Deno: deno } = globalThis as { Deno?: DenoApi };

/** The presences of this instance of the module, until they are closed. */
const own = new Set<string>();

/** The presence of an environment that is open, or being opened. */
export class Presence {
  /** Its name in the directory of the database. */
  readonly name: string;

  readonly #file: string;
  readonly #release: () => void;

  private constructor(directory: string, name: string, release: () => void) {
    this.name = name;
    this.#file = join(directory, name);
    this.#release = release;
  }

  /**
   * Makes a presence. It is idle.
   *
   * @param directory The directory of the database.
   * @returns The presence.
   * @throws {Error} The file system's own error if nothing can be created in the directory.
   */
  static async create(directory: string): Promise<Presence> {
    for (const means of possibleMeans()) {
      try {
        return await Presence.#createBy(means, directory);
      } catch (error) {
        // For example a file system that has no sockets.
        if (means === "none" || OUT_OF_RESOURCES.has(codeOf(error) ?? "")) throw error;
      }
    }
    throw new Error("unreachable");
  }

  /**
   * Makes one under a name that is not its own yet: a socket refuses connections until it listens,
   * and would seem to be dead. If another process has removed it for that reason, it is made again.
   */
  static async #createBy(means: Means, directory: string): Promise<Presence> {
    for (;;) {
      const id = `${process.pid}-${means}-${randomId()}`;
      const unfinished = join(directory, UNFINISHED + id);
      const name = PRESENCE + id;
      const release = await hold(means, directory, UNFINISHED + id);
      try {
        utimesSync(unfinished, IDLE_S, IDLE_S);
        if (means === "socket") await chmod(unfinished, SOCKET_MODE);
        await rename(unfinished, join(directory, name));
        own.add(name);
        return new Presence(directory, name, release);
      } catch (error) {
        release();
        if (codeOf(error) === "ENOENT") continue;
        await removeIfAllowed(unfinished);
        throw error;
      }
    }
  }

  /**
   * Shows others that the environment is busy with a commit.
   *
   * @throws {Error} The file system's own error, ENOENT if the presence has been removed.
   */
  markBusy(): void {
    utimesSync(this.#file, BUSY_S, BUSY_S);
  }

  /**
   * Shows others that the environment is idle.
   *
   * @throws {Error} The file system's own error, ENOENT if the presence has been removed.
   */
  markIdle(): void {
    utimesSync(this.#file, IDLE_S, IDLE_S);
  }

  /** Removes it. */
  async close(): Promise<void> {
    own.delete(this.name);
    await removeIfAllowed(this.#file);
    this.#release();
  }
}

/**
 * Lists the presences of others: all but those of this instance of the module.
 *
 * @param directory The directory of the database.
 * @returns Their names, also of those that are being made.
 */
export async function otherPresences(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) =>
    (name.startsWith(PRESENCE) || name.startsWith(UNFINISHED)) && !own.has(name)
  );
}

/**
 * Whether an environment is busy with a commit.
 *
 * @param directory The directory of the database.
 * @param name The name of its presence.
 * @returns Whether it is; not if the presence no longer exists.
 */
export async function isBusy(directory: string, name: string): Promise<boolean> {
  try {
    return (await stat(join(directory, name))).mtimeMs === BUSY_S * 1_000;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Asks the kernel whether the owner of a presence is alive.
 *
 * @param directory The directory of the database.
 * @param name The name of the presence.
 * @returns Whether it is; `undefined` if that cannot be asked from here.
 */
export async function isAlive(directory: string, name: string): Promise<boolean | undefined> {
  const file = join(directory, name);
  try {
    switch (meansOf(name)) {
      case "socket":
        if (!mayUseSockets()) return await exists(file) ? undefined : false;
        return await atShortPath(directory, name, isAnsweredAt);
      case "pipe":
        return mayUseSockets() ? await isAnsweredAt(pipeOf(name)) : undefined;
      case "lock":
        if (!deno) return await exists(file) ? undefined : false;
        return isLocked(deno, file);
      case "none":
        return await exists(file) ? undefined : false;
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    return undefined;
  }
}

/**
 * What to say to a user about the owner of a presence that others wait for.
 *
 * @param directory The directory of the database.
 * @param name The name of the presence.
 * @returns Its process, and what helps.
 */
export function describeOwner(
  directory: string,
  name: string,
): { readonly owner: string; readonly help: string } {
  const pid = /-(\d+)-/.exec(name)?.[1] ?? "unknown";
  const file = join(directory, name);
  const owner = `process ${pid} ("${file}")`;
  const canAsk = meansOf(name) === "lock"
    ? deno !== undefined
    : meansOf(name) !== "none" && mayUseSockets();
  if (canAsk) return { owner, help: "it is alive, maybe stopped: let it go on, or end it" };
  const permission = deno && !mayUseSockets() ? ", or allow Deno to ask, by --allow-net" : "";
  return {
    owner,
    help:
      `whether it is alive cannot be asked from here: if it is not, remove that file${permission}`,
  };
}

/**
 * Removes a file, unless another user owns it and it has to stay.
 *
 * @param file The file. It need not exist, nor need its directory.
 * @throws {Error} The file system's own error.
 */
export async function removeIfAllowed(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined || !MAY_STAY.has(code)) throw error;
  }
}

function possibleMeans(): Means[] {
  const connecting: Means = process.platform === "win32" ? "pipe" : "socket";
  if (!deno) return [connecting, "none"];
  return mayUseSockets() ? [connecting, "lock", "none"] : ["lock", "none"];
}

/** Creates the file, and keeps it for this thread's life. Returns what gives it up. */
async function hold(means: Means, directory: string, name: string): Promise<() => void> {
  const file = join(directory, name);
  switch (means) {
    case "socket":
      return await atShortPath(directory, name, listenAt);
    case "pipe": {
      const release = await listenAt(pipeOf(name));
      await writeFile(file, "", { flag: "wx" });
      return release;
    }
    case "lock": {
      const handle = deno?.openSync(file, { read: true, write: true, createNew: true });
      handle?.lockSync(true);
      return () => handle?.close();
    }
    case "none":
      await writeFile(file, "", { flag: "wx" });
      return () => {};
  }
}

/** Whether somebody has locked a file. It is closed again, which gives up our own lock. */
function isLocked(api: DenoApi, file: string): boolean {
  const handle = api.openSync(file, { read: true });
  try {
    return !handle.tryLockSync(false);
  } finally {
    handle.close();
  }
}

/** Uses a file by a path that is not too long for a socket: if need be, by a link to its directory. */
async function atShortPath<Result>(
  directory: string,
  name: string,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = join(directory, name);
  if (new TextEncoder().encode(path).length <= MAX_SOCKET_PATH_BYTES) return await use(path);
  const detour = await mkdtemp(join(tmpdir(), "cajun-"));
  const link = join(detour, "d");
  try {
    await symlink(directory, link);
    try {
      return await use(join(link, name));
    } finally {
      await unlink(link);
    }
  } finally {
    await rmdir(detour);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** The pipe has the same name before and after the presence is finished. */
function pipeOf(name: string): string {
  return `\\\\.\\pipe\\cajun-${name.slice(name.lastIndexOf("-") + 1)}`;
}

function meansOf(name: string): Means {
  const means = name.split("-")[2];
  return means === "socket" || means === "pipe" || means === "lock" ? means : "none";
}

/** No two are equal: 64 bits. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join(
    "",
  );
}
