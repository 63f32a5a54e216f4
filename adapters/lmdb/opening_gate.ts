/**
 * Keeps commits apart from the opening of the environment by another process.
 *
 * LMDB, as `lmdb` 3.5.6 has it, reads the number of the last transaction when it opens an
 * environment, and a moment later writes it into the lock file, without a lock (ITS#9496, fixed
 * upstream since). A transaction that another process commits in between is undone by the next one,
 * although it was acknowledged; or that process crashes. A process that only reads does the same.
 *
 * So whoever opens puts up a gate, a file in the directory `.opening`, and waits until nobody commits
 * any more. And whoever commits says so before it looks for that directory, by a byte in a file of
 * its own, `.writer-…`; where there is a gate it takes the byte back and waits. Several may open at
 * once, each behind a gate of its own: so a gate is only ever taken away by who has put it up, or
 * when that process is dead, and never in the place of another. What killed processes have left
 * counts for nothing. A commit pays for a look at the file system, about 2 µs.
 *
 * @module
 */

import { closeSync, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { codeOf } from "./files.ts";

const GATES = ".opening";
const SLOT = ".writer-";
const POLL_MS = 1;
/** How much longer than a commit takes the file says that there is one. */
const MARKED_MS = 5;
/** Without the permission to ask whether a process is alive (Deno), it is waited for so long. */
const UNKNOWN_PATIENCE_MS = 2_000;
/** By how much two readings of when this process was started may differ. */
const START_TOLERANCE_S = 3;

const IDLE = new Uint8Array([0]);
const COMMITTING = new Uint8Array([1]);

/** A process id may be used again, for example after a restart of a container. */
const startedAtS = Math.round(Date.now() / 1_000 - process.uptime());
let files = 0;

/**
 * Does something while no other process commits.
 *
 * @param path The directory of the environment.
 * @param timeoutMs How long a commit of another process may take at the most.
 * @param action What is done: the opening.
 * @returns What the action returns.
 * @throws {Error} The file system's own error where nothing can be created in the directory.
 */
export async function whileNobodyCommits<Result>(
  path: string,
  timeoutMs: number,
  action: () => Promise<Result>,
): Promise<Result> {
  const gates = join(path, GATES);
  const gate = join(gates, uniqueName());
  await putUp(gates, gate);
  try {
    for (const name of await readdir(path)) {
      if (name.startsWith(SLOT)) await waitForCommit(path, name, timeoutMs);
    }
    return await action();
  } finally {
    await rm(gate, { force: true });
    if (!(await hasLivingGate(gates, timeoutMs))) await removeIfEmpty(gates);
  }
}

/** Where a process says that it commits. */
export class CommitSlot {
  readonly #gates: string;
  readonly #file: string;
  readonly #descriptor: number;
  readonly #timeoutMs: number;
  #isClosed = false;
  #isCommitting = false;
  /** Whether the file says so. It may say so a little longer: see `end`. */
  #isMarked = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param path The directory of the environment.
   * @param timeoutMs How long another process may take to open it.
   */
  constructor(path: string, timeoutMs: number) {
    this.#gates = join(path, GATES);
    this.#timeoutMs = timeoutMs;
    this.#file = join(path, `${SLOT}${uniqueName()}`);
    this.#descriptor = openSync(this.#file, "wx");
    ignoringFullDisk(() => writeSync(this.#descriptor, IDLE, 0, 1, 0));
  }

  /**
   * Says that a commit begins.
   *
   * @returns Nothing where it may begin at once, otherwise a promise that resolves when it may.
   */
  begin(): Promise<void> | undefined {
    this.#isCommitting = true;
    this.#mark();
    return existsSync(this.#gates) ? this.#waitForGates() : undefined;
  }

  /**
   * The commit has ended. The file is told a few milliseconds later, or when there is a gate: writing
   * to it twice for each commit made one that is awaited alone take up to 5 % longer.
   */
  end(): void {
    this.#isCommitting = false;
    // A commit that has timed out may end later.
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isCommitting) this.#unmarkIfPossible();
    }, MARKED_MS);
  }

  /** Gives the slot up. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    closeSync(this.#descriptor);
    try {
      unlinkSync(this.#file);
    } catch (error) {
      // Whoever opens takes away what seems to be of a dead process.
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }

  #mark(): void {
    if (this.#isMarked) return;
    writeSync(this.#descriptor, COMMITTING, 0, 1, 0);
    this.#isMarked = true;
  }

  #unmarkIfPossible(): void {
    try {
      this.#unmark();
    } catch {
      // Nobody is there to be told. Whoever opens waits a while longer, and the next commit fails.
    }
  }

  #unmark(): void {
    // When it is closed, the descriptor may be of another file.
    if (this.#isClosed || !this.#isMarked) return;
    writeSync(this.#descriptor, IDLE, 0, 1, 0);
    this.#isMarked = false;
  }

  async #waitForGates(): Promise<void> {
    while (existsSync(this.#gates)) {
      this.#unmark();
      while (await hasLivingGate(this.#gates, this.#timeoutMs)) await pause();
      await removeIfEmpty(this.#gates);
      // Before the next look: whoever puts up a gate after that sees it.
      this.#mark();
      // It is left where it is another user's; that it has no living gate has to be found out again.
      if (!(await hasLivingGate(this.#gates, this.#timeoutMs))) return;
    }
  }
}

/** Names the process, and nothing else that it ever makes. */
function uniqueName(): string {
  return `${process.pid}-${startedAtS}-${files++}${Math.random().toString(36).slice(2)}`;
}

/**
 * Puts up a gate. Others may take the directory away as long as it is empty. A full disk must not keep
 * from opening: where it has no room for a directory there is no gate, and LMDB's defect is left.
 */
async function putUp(gates: string, gate: string): Promise<void> {
  for (;;) {
    try {
      await mkdir(gates);
    } catch (error) {
      if (codeOf(error) === "ENOSPC") return;
      if (codeOf(error) !== "EEXIST") throw error;
    }
    try {
      return await writeFile(gate, "", { flag: "wx" });
    } catch (error) {
      if (codeOf(error) === "ENOSPC") return;
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
}

/** Whether somebody opens. What dead processes have left is taken away. */
async function hasLivingGate(gates: string, timeoutMs: number): Promise<boolean> {
  let isSomebodyAlive = false;
  for (const name of await namesIn(gates)) {
    const gate = join(gates, name);
    const ageMs = await ageOf(gate);
    if (ageMs === undefined) continue;
    if (ageMs <= patienceFor(name, timeoutMs)) isSomebodyAlive = true;
    else await removeIfAllowed(gate);
  }
  return isSomebodyAlive;
}

async function namesIn(gates: string): Promise<string[]> {
  try {
    return await readdir(gates);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** How old a gate is, in milliseconds, or `undefined` where it is gone. */
async function ageOf(gate: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(gate)).mtimeMs;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function removeIfEmpty(gates: string): Promise<void> {
  try {
    await rmdir(gates);
  } catch (error) {
    const code = codeOf(error);
    const isLeft = ["ENOENT", "ENOTEMPTY", "EEXIST", "EPERM", "EACCES"].includes(code ?? "");
    if (!isLeft) throw error;
  }
}

/** A full disk must not keep from opening. What could not be written counts as not known. */
function ignoringFullDisk(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (codeOf(error) !== "ENOSPC") throw error;
  }
}

/** Waits until the owner of a slot does not commit. */
async function waitForCommit(path: string, name: string, timeoutMs: number): Promise<void> {
  const file = join(path, name);
  const owner = name.slice(SLOT.length);
  // An environment that this process has open is not opened again: there is nothing to wait for.
  if (isOurs(owner)) return;
  const startedAt = performance.now();
  while (await isCommitting(file)) {
    if (performance.now() - startedAt > patienceFor(owner, timeoutMs)) break;
    await pause();
  }
  if (patienceFor(owner, timeoutMs) === 0) await removeIfAllowed(file);
}

/** What another user has left may have to stay. */
async function removeIfAllowed(file: string): Promise<void> {
  try {
    await rm(file, { force: true });
  } catch (error) {
    const code = codeOf(error);
    if (code !== "EPERM" && code !== "EACCES") throw error;
  }
}

async function isCommitting(file: string): Promise<boolean> {
  try {
    return (await readFile(file))[0] === COMMITTING[0];
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * How long a process is waited for.
 *
 * @param owner Its id and when it was started; there may be more behind that.
 */
function patienceFor(owner: string, timeoutMs: number): number {
  const pid = Number(owner.split("-", 1)[0]);
  if (!Number.isInteger(pid) || pid <= 0) return UNKNOWN_PATIENCE_MS;
  if (pid === process.pid) return isOurs(owner) ? timeoutMs : 0;
  try {
    process.kill(pid, 0);
    return timeoutMs;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ESRCH") return 0;
    return code === "EPERM" ? timeoutMs : UNKNOWN_PATIENCE_MS;
  }
}

/** Whether something is of this process, not of an earlier one that had the same id. */
function isOurs(owner: string): boolean {
  const [pid, startedAt] = owner.split("-", 2).map(Number);
  return pid === process.pid && startedAt !== undefined &&
    Math.abs(startedAt - startedAtS) <= START_TOLERANCE_S;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
