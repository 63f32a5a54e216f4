/**
 * Keeps commits apart from the opening of the environment by another process.
 *
 * LMDB, as `lmdb` 3.5.6 has it, reads the number of the last transaction when it opens an
 * environment, and a moment later writes it into `lock.mdb`, without a lock (ITS#9496). A
 * transaction that another process commits in between is undone by the next one, although it was
 * acknowledged; or that process crashes. A process that only reads does the same. All of this may
 * go once `mdb_env_open2` in the LMDB of `lmdb` sets `mti_txnid` only under the exclusive lock, as
 * upstream has done since 2021, and the fault `opening` passes without it.
 *
 * An opener creates its lock file, in the directory `.opening`, then waits for busy writers. A
 * writer marks itself busy, by its presence, then looks for lock files; if it sees one, it takes
 * the mark back and waits. In either order one sees the other.
 *
 * Nobody goes on because time has passed: what cannot get through within its time-out fails. A mark
 * or a lock file counts for nothing only once the kernel says that its owner is dead. Then the first
 * one to meet it removes it.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type { OpeningWaits } from "../../core/ports/storage.ts";
import { codeOf } from "./files.ts";
import {
  describeOwner,
  isAlive,
  isBusy,
  otherPresences,
  type Presence,
  removeIfAllowed,
} from "./presence.ts";

/** The directory of the openers' lock files, each of which is named after its owner's presence. */
const LOCKS = ".opening";
const POLL_MS = 1;
/**
 * How often to ask whether somebody is alive who was so before. What asks is queued by a process
 * that is stopped.
 */
const ASK_AGAIN_MS = 250;

/**
 * Runs an action while nobody else commits.
 *
 * @param directory The directory of the database.
 * @param presence The presence of the environment that is being opened.
 * @param timeoutMs How long to wait for commits, in milliseconds.
 * @param action The opening.
 * @returns What the action returns.
 * @throws {PersistenceError} `OPEN_FAILED` if a commit does not end in time.
 * @throws {Error} The file system's own error if nothing can be created in the directory, and
 *   whatever the action throws.
 */
export async function withOpeningLock<Result>(
  directory: string,
  presence: Presence,
  timeoutMs: number,
  action: () => Promise<Result>,
): Promise<Result> {
  const locks = join(directory, LOCKS);
  const lock = join(locks, presence.name);
  await createLock(locks, lock);
  try {
    await waitForWriters(directory, timeoutMs);
    return await action();
  } finally {
    await removeIfAllowed(lock);
    await removeLocks(directory, new Map());
  }
}

/** Shows others when an environment commits, and has its commits wait while others open. */
export class CommitGuard {
  readonly #directory: string;
  readonly #locks: string;
  readonly #presence: Presence;
  readonly #timeoutMs: number;
  #isCommitting = false;
  #isClosed = false;
  #waits = 0;
  #waitedMs = 0;

  /**
   * Takes over a presence.
   *
   * @param directory The directory of the database.
   * @param presence The presence of the environment.
   * @param timeoutMs How long to wait for others that open it, in milliseconds.
   */
  constructor(directory: string, presence: Presence, timeoutMs: number) {
    this.#directory = directory;
    this.#locks = join(directory, LOCKS);
    this.#presence = presence;
    this.#timeoutMs = timeoutMs;
  }

  /** How often commits have waited for others that opened it, and how long altogether. */
  get waits(): OpeningWaits {
    return { count: this.#waits, totalMs: this.#waitedMs };
  }

  /**
   * Must be called before a commit. If it fails, the commit must not begin.
   *
   * @returns `undefined` if the commit may begin at once, otherwise a promise that resolves when it
   *   may, or rejects with `STORAGE_FAILED` if another process does not get on with opening.
   * @throws {Error} The file system's own error.
   */
  begin(): Promise<void> | undefined {
    this.#presence.markBusy();
    this.#isCommitting = true;
    return existsSync(this.#locks) ? this.#waitForOpeners() : undefined;
  }

  /**
   * Must be called when a commit has ended, before anybody is notified of that.
   *
   * @returns A promise only if the guard has been closed meanwhile.
   */
  end(): Promise<void> | undefined {
    this.#isCommitting = false;
    if (this.#isClosed) return this.#presence.close();
    try {
      this.#presence.markIdle();
    } catch {
      // The commit is made. The next one fails for the same reason; until then others wait.
    }
  }

  /**
   * Gives up the presence. If a commit is still under way, because it takes too long, that happens
   * when it ends.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isCommitting) await this.#presence.close();
  }

  async #waitForOpeners(): Promise<void> {
    const startedAt = performance.now();
    const seen: Seen = new Map();
    try {
      for (;;) {
        // With the mark set: an opener that creates its lock file after this look sees it.
        const opener = await removeLocks(this.#directory, seen);
        if (opener === undefined) return;
        this.#presence.markIdle();
        await this.#waitFor(opener, startedAt, seen);
        this.#presence.markBusy();
      }
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Waits until nobody opens it, not even others that begin meanwhile. */
  async #waitFor(first: string, startedAt: number, seen: Seen): Promise<void> {
    this.#waits++;
    const waitsSince = performance.now();
    try {
      for (let opener: string | undefined = first; opener !== undefined;) {
        if (performance.now() - startedAt > this.#timeoutMs) throw this.#heldUpBy(opener);
        await pause();
        opener = await removeLocks(this.#directory, seen);
      }
    } finally {
      this.#waitedMs += performance.now() - waitsSince;
    }
  }

  #heldUpBy(name: string): PersistenceError {
    const { owner, help } = describeOwner(this.#directory, name);
    return new PersistenceError(
      "STORAGE_FAILED",
      `Cannot commit to LMDB environment at "${this.#directory}": ${owner} has been opening it ` +
        `for ${this.#timeoutMs} ms; ${help}`,
    );
  }
}

/** Who was alive, or may have been, when it was asked, and when that was. */
type Seen = Map<string, number>;

/** Whether the owner of a presence is dead. Alive is also who cannot be asked. */
async function isDead(directory: string, name: string, seen: Seen): Promise<boolean> {
  const now = performance.now();
  const askedAt = seen.get(name);
  if (askedAt !== undefined && now - askedAt < ASK_AGAIN_MS) return false;
  if (await isAlive(directory, name) === false) return true;
  seen.set(name, now);
  return false;
}

/**
 * Creates an opener's lock file. Others may remove the directory while it is empty.
 */
async function createLock(locks: string, lock: string): Promise<void> {
  for (;;) {
    try {
      await mkdir(locks);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    try {
      return await writeFile(lock, "", { flag: "wx" });
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
}

/**
 * Waits until no other environment is busy. Asks all of them at once whether they are alive, and
 * removes the presences of those that are not.
 */
async function waitForWriters(directory: string, timeoutMs: number): Promise<void> {
  const startedAt = performance.now();
  const names = await otherPresences(directory);
  await Promise.all(names.map(async (name) => {
    const seen: Seen = new Map();
    while (!(await isDead(directory, name, seen))) {
      if (!(await isBusy(directory, name))) return;
      if (performance.now() - startedAt > timeoutMs) throw heldUpBy(directory, name, timeoutMs);
      await pause();
    }
    await removeIfAllowed(join(directory, name));
  }));
}

function heldUpBy(directory: string, name: string, timeoutMs: number): PersistenceError {
  const { owner, help } = describeOwner(directory, name);
  return new PersistenceError(
    "OPEN_FAILED",
    `Cannot open LMDB environment at "${directory}": ${owner} has been in a commit for ` +
      `${timeoutMs} ms; ${help}`,
  );
}

/**
 * Removes the lock files of dead openers, and their directory if it is empty then.
 *
 * @returns The presence of an opener that is alive, or `undefined` if there is none.
 */
async function removeLocks(directory: string, seen: Seen): Promise<string | undefined> {
  const locks = join(directory, LOCKS);
  const names = await namesIn(locks);
  const isGone = await Promise.all(names.map((name) => isDead(directory, name, seen)));
  const living = names.find((_, index) => !isGone[index]);
  await Promise.all(
    names.filter((_, index) => isGone[index]).map((name) => removeIfAllowed(join(locks, name))),
  );
  if (living === undefined) await removeIfEmpty(locks);
  return living;
}

async function namesIn(locks: string): Promise<string[]> {
  try {
    return await readdir(locks);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function removeIfEmpty(locks: string): Promise<void> {
  try {
    await rmdir(locks);
  } catch (error) {
    const code = codeOf(error);
    const isLeft = ["ENOENT", "ENOTEMPTY", "EEXIST", "EPERM", "EACCES"].includes(code ?? "");
    if (!isLeft) throw error;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
