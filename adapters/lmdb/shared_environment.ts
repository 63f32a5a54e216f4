/**
 * An open LMDB environment, shared by all in this process who opened its path. One commit is in
 * flight at a time; the next is queued here, in the order of the calls.
 *
 * @module
 */

import { ArgumentRangeError, PersistenceError } from "../../core/errors.ts";
import { compareBytes } from "../../core/keys.ts";
import {
  type Change,
  type Condition,
  MAX_KEY_BYTES,
  type ScanRange,
  type Space,
  SPACES,
  type StorageStats,
  type StoredEntry,
  type WriteGroup,
} from "../../core/storage.ts";
import type { LmdbBinding, LmdbDatabase, LmdbRange, LmdbStats } from "./binding.ts";
import type { CommitSlot } from "./opening_gate.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";
import { type Occupancy, occupancyOf, SizeLimit } from "./size_limit.ts";

/** After a failed commit LMDB may hang when it is closed. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long we wait for `lmdb` to say why a commit failed. */
const REASON_TIMEOUT_MS = 100;

const NO_VALUE = new Uint8Array(0);

/** An open LMDB environment. */
export class SharedEnvironment {
  /** How it was opened, all defaults filled in. */
  readonly options: Required<LmdbEnvironmentOptions>;
  /** How many have it open. */
  references = 0;

  readonly #binding: LmdbBinding;
  readonly #slot: CommitSlot | undefined;
  readonly #sizeLimit: SizeLimit;
  #lastCommit: Promise<unknown> = Promise.resolve();
  #failure: PersistenceError | undefined;

  /**
   * @param options How it was opened, all defaults filled in.
   * @param binding The open environment.
   * @param slot Where it says that it commits, if it may.
   */
  constructor(
    options: Required<LmdbEnvironmentOptions>,
    binding: LmdbBinding,
    slot: CommitSlot | undefined,
  ) {
    this.options = options;
    this.#binding = binding;
    this.#slot = slot;
    this.#sizeLimit = new SizeLimit(options.mapSize, () => this.#occupancy());
  }

  /** Why nothing can be committed any more, if so. */
  get failure(): PersistenceError | undefined {
    return this.#failure;
  }

  /**
   * Reads one key, from the newest state.
   *
   * @param space Where the key stands.
   * @param key The key.
   * @returns The entry, or `undefined` where there is none.
   */
  get(space: Space, key: Uint8Array): StoredEntry | undefined {
    return translateErrors("read", () => {
      // Without this, commits of other processes stay unseen until the event loop turns.
      this.#binding.root.resetReadTxn();
      const entry = this.#binding.databases[space].getEntry(key);
      return entry &&
        { key: new Uint8Array(key), value: plainArray(entry.value), version: entry.version ?? 0 };
    });
  }

  /**
   * Reads one page of a range.
   *
   * @param space Where the keys stand.
   * @param range Which keys, in which direction, and how much at the most.
   * @returns The entries.
   */
  scan(space: Space, range: ScanRange): StoredEntry[] {
    const database = this.#binding.databases[space];
    if (compareBytes(range.start, range.end) >= 0) return [];
    return translateErrors("scan", () => readPage(database, range));
  }

  /**
   * Queues a commit.
   *
   * @param groups The groups.
   * @returns Which of them applied.
   */
  commit(groups: readonly WriteGroup[]): Promise<boolean[]> {
    assertWritable(groups);
    const commit = this.#lastCommit.then(() => this.#commitNow(groups));
    this.#lastCommit = commit.catch(() => {
      // Told to the caller; the next commit is tried, or fails for a reason of its own.
    });
    return commit;
  }

  /** Resolves when all that was committed before is on disk. */
  async sync(): Promise<void> {
    await this.#lastCommit;
    if (this.options.readOnly || this.options.durability === "full") return;
    await new Promise<void>((resolve, reject) => {
      this.#binding.root.sync((cause) => {
        if (!cause) return resolve();
        reject(new PersistenceError("STORAGE_FAILED", `Cannot sync: ${String(cause)}`, { cause }));
      });
    });
  }

  /** Figures about the environment. */
  stats(): StorageStats {
    return translateErrors("read statistics", () => {
      const counts = this.#statsOfSpaces().map(({ entryCount }) => entryCount);
      const [meta = 0, heads = 0, entries = 0, snapshots = 0] = counts;
      const { livePages, pageSize } = this.#occupancy();
      return {
        entries: { meta, heads, entries, snapshots },
        usedBytes: livePages * pageSize,
        limitBytes: this.options.mapSize,
      };
    });
  }

  /** Waits for the commits that were called, then closes the environment. */
  async close(): Promise<void> {
    await this.#lastCommit;
    try {
      await this.#close();
    } finally {
      this.#slot?.close();
    }
  }

  async #close(): Promise<void> {
    const closed = this.#binding.root.close();
    if (!this.#failure) return await closed;
    const failure = new PersistenceError(
      "REOPEN_REQUIRED",
      `Cannot close LMDB environment at "${this.options.path}" after a failed commit: restart the process`,
      { cause: this.#failure },
    );
    await within(CLOSE_TIMEOUT_MS, closed, () => failure);
  }

  async #commitNow(groups: readonly WriteGroup[]): Promise<boolean[]> {
    if (this.#failure) throw this.#failure;
    this.#sizeLimit.assertFits(groups);
    try {
      return await within(
        this.options.commitTimeoutMs,
        this.#commitApart(groups),
        () => new Error(`not done within ${this.options.commitTimeoutMs} ms`),
      );
    } catch (cause) {
      this.#failure = new PersistenceError(
        "REOPEN_REQUIRED",
        `Cannot commit to LMDB environment at "${this.options.path}": ${await reasonOf(
          cause,
        )}; close it and open it again`,
        { cause },
      );
      throw this.#failure;
    }
  }

  /** While another process opens the environment, nothing may be committed. */
  async #commitApart(groups: readonly WriteGroup[]): Promise<boolean[]> {
    const gateOpens = this.#slot?.begin();
    if (gateOpens) await gateOpens;
    try {
      return await this.#write(groups);
    } finally {
      this.#slot?.end();
    }
  }

  async #write(groups: readonly WriteGroup[]): Promise<boolean[]> {
    const levels: Promise<boolean>[] = [];
    const committed = this.#binding.root.batch(() => {
      // Nothing in here may throw: what came before would be committed.
      for (const group of groups) this.#apply(group, levels);
    });
    // With a second batch behind it, `lmdb` begins at once, in its own thread. Otherwise it begins
    // when the event loop turns, and a caller who encodes meanwhile keeps that from happening. Both
    // are one transaction.
    const started = this.#binding.root.batch(() => {});
    // All of them reject together, so all need to be watched.
    const [holds] = await Promise.all([Promise.all(levels), committed, started]);
    let level = 0;
    return groups.map(({ conditions }) => {
      const first = level;
      level += conditions.length;
      return holds.slice(first, level).every(Boolean);
    });
  }

  /**
   * Puts a group into the batch: its changes within its innermost condition. A level says true also
   * where one around it failed, so a group has applied where all its levels say true.
   */
  #apply({ conditions, changes }: WriteGroup, levels: Promise<boolean>[]): void {
    const [condition] = conditions;
    const [change] = changes;
    if (conditions.length === 1 && changes.length === 1 && isPutUnder(condition, change)) {
      const { space, key, value, version } = change;
      const database = this.#binding.databases[space];
      levels.push(database.put(key, value, version, condition?.version ?? null));
      return;
    }
    const first = levels.length;
    const enter = (depth: number): void => {
      const condition = conditions[depth];
      if (!condition) {
        for (const change of changes) this.#change(change);
        return;
      }
      const { space, key, version } = condition;
      const database = this.#binding.databases[space];
      const next = () => enter(depth + 1);
      levels[first + depth] = version === undefined
        ? database.ifNoExists(key, next)
        : database.ifVersion(key, version, next);
    };
    enter(0);
  }

  #change(change: Change): void {
    const database = this.#binding.databases[change.space];
    if (change.type === "put") void database.put(change.key, change.value, change.version);
    else void database.remove(change.key);
  }

  #occupancy(): Occupancy {
    return occupancyOf(this.#statsOfSpaces());
  }

  #statsOfSpaces(): LmdbStats[] {
    this.#binding.root.resetReadTxn();
    return SPACES.map((space) => this.#binding.databases[space].getStats());
  }
}

/** Whether a change puts the key of a condition. `lmdb` can do both as one. */
function isPutUnder(
  condition: Condition | undefined,
  change: Change | undefined,
): change is Change & { readonly type: "put" } {
  return change?.type === "put" && condition?.space === change.space &&
    compareBytes(condition.key, change.key) === 0;
}

function readPage(database: LmdbDatabase, range: ScanRange): StoredEntry[] {
  const bounds = boundsOf(range);
  const page: StoredEntry[] = [];
  if (range.keysOnly) {
    for (const { key } of database.getKeys(bounds)) {
      page.push({ key, value: NO_VALUE, version: 0 });
    }
    return page;
  }
  let bytes = 0;
  for (const { key, value, version = 0 } of database.getRange(bounds)) {
    // A view of a `Buffer` takes several times as long to make as one of an ordinary array.
    page.push({ key, value: plainArray(value), version });
    bytes += value.length;
    if (bytes >= range.maxBytes) break;
  }
  return page;
}

function plainArray({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** In reverse, `lmdb` begins at the upper end: exclusive there, inclusive at the lower one. */
function boundsOf({ start, end, reverse = false, maxEntries }: ScanRange): LmdbRange {
  return {
    start: reverse ? end : start,
    end: reverse ? start : end,
    reverse,
    exclusiveStart: reverse,
    inclusiveEnd: reverse,
    limit: maxEntries,
    versions: true,
  };
}

/** Everything that would make `lmdb` throw halfway through a batch. */
function assertWritable(groups: readonly WriteGroup[]): void {
  for (const { conditions, changes } of groups) {
    for (const { space, key } of [...conditions, ...changes]) {
      if (!SPACES.includes(space)) {
        throw new ArgumentRangeError(`Cannot commit: there is no space "${space}"`);
      }
      if (!(key instanceof Uint8Array) || key.length === 0 || key.length > MAX_KEY_BYTES) {
        throw new ArgumentRangeError(
          `Cannot commit: a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${key?.length}`,
        );
      }
    }
    for (const change of changes) {
      if (change.type === "put" && !(change.value instanceof Uint8Array)) {
        throw new ArgumentRangeError("Cannot commit: a value must be a Uint8Array");
      }
    }
  }
}

function translateErrors<Result>(operation: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const isDamage = /MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|PANIC)/.test(reason);
    throw new PersistenceError(
      isDamage ? "CORRUPT" : "STORAGE_FAILED",
      `Cannot ${operation}: ${reason}`,
      { cause },
    );
  }
}

/** Settles like a promise, or rejects where that takes too long. */
async function within<Result>(
  timeoutMs: number,
  promise: Promise<Result>,
  onTimeout: () => Error,
): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why a commit failed. `lmdb` tells it by a second promise, which must be caught in any case. */
async function reasonOf(cause: unknown): Promise<string> {
  if (!(cause instanceof Error)) return String(cause);
  if (!("commitError" in cause) || !(cause.commitError instanceof Promise)) return cause.message;
  const told = cause.commitError.then(String, String);
  return await within(REASON_TIMEOUT_MS, told, () => cause).catch(() => cause.message);
}
