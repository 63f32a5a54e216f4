/**
 * The log of a store: one record per commit, with what the commit did to journals. What of it has not
 * been collected is indexed in memory; what has been collected stands in frames and heads.
 *
 * A writer's commit is conditional on what it knows of the log: nobody has written at the position
 * that is next for it, and nobody has collected. So the state of every journal is known when a commit
 * is planned. A writer that was overtaken follows the log, and plans again.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn } from "../format/actor_address.ts";
import type { JournalState, StoredHead } from "../format/head.ts";
import { entryKey, entryKeysEnd, type KeyRange } from "../format/keys.ts";
import {
  collectedKey,
  decodePositions,
  FIRST_POSITION,
  LOG_VERSION,
  logKey,
  logKeysEnd,
  positionIn,
} from "../format/log_keys.ts";
import { keyChecksumOf, LogRecord } from "../format/log_record.ts";
import {
  MAX_KEY_BYTES,
  type Storage,
  type StorageCondition,
  type StoredEntry,
} from "../ports/storage.ts";
import type { JournalHead, JournalHeads } from "../read/journal_head.ts";
import { loadHead } from "../read/load_head.ts";
import { isBeingRemoved } from "../read/removal.ts";
import { compareBytes } from "../util/bytes.ts";
import { isPromise, type MaybePromise } from "../util/promises.ts";
import { type Assembled, HeadAssembler, retainedRuns } from "./head_assembler.ts";
import { type AppliedChange, HotIndex } from "./hot_index.ts";
import type { LogActor } from "./log_actor.ts";

const LOG_KEYS_END = new Uint8Array(MAX_KEY_BYTES).fill(0xff);
const MAX_PAGE_RECORDS = 1_024;
const MAX_PAGE_BYTES = 2 ** 22;

/** How far a log has been collected. */
export interface CollectedPart {
  /** What was committed before this position stands in frames and heads. */
  readonly position: number;
  /** The version of the record that says so, or `undefined` if there is none. */
  readonly version: number | undefined;
}

/** What is known of a log at a moment. */
export interface KnownLog {
  /** The position of the next record. */
  readonly next: number;
  /** How often hot items were dropped. */
  readonly drops: number;
  /** How often a part of the log was collected to its end, or all of it was read anew. */
  readonly moves: number;
}

/** The log of a store. */
export class Log implements JournalHeads {
  /** The number of the log. */
  readonly number = 0;
  /** The epoch of its owner: it has none. */
  readonly epoch = 0;
  /** Its hot part. */
  readonly hot: HotIndex = new HotIndex();

  readonly #assembler = new HeadAssembler(this.hot);

  readonly #storage: Storage;
  readonly #collectedKey: Uint8Array;
  #next: number = FIRST_POSITION;
  /** The key of the next record, once it is needed. */
  #nextKey: Uint8Array | undefined;
  #collected: CollectedPart = { position: FIRST_POSITION, version: undefined };
  /** Why nothing of it can be read, if a record as a whole is damaged. */
  #broken: PersistenceError | undefined;
  /** Counts how often hot items were dropped: what was read of heads before may be older. */
  #drops = 0;
  #moves = 0;
  #isRebuilding = false;
  #following: Promise<void> | undefined;
  #followingAfter: Promise<void> | undefined;

  private constructor(storage: Storage) {
    this.#storage = storage;
    this.#collectedKey = collectedKey(this.number);
  }

  /**
   * Opens the log of a storage: reads all records that have not been collected.
   *
   * @param storage The storage.
   * @returns The log. If a record is damaged, reads report it.
   * @throws {PersistenceError} `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  static async open(storage: Storage): Promise<Log> {
    const log = new Log(storage);
    await log.#rebuild();
    if (log.#broken?.code === "UNSUPPORTED_FORMAT") throw log.#broken;
    return log;
  }

  /** The position of the next record. */
  get nextPosition(): number {
    return this.#next;
  }

  /** How far it has been collected, as far as this process knows. */
  get collected(): CollectedPart {
    return this.#collected;
  }

  /** Why nothing of it can be read, if a record as a whole is damaged. */
  get broken(): PersistenceError | undefined {
    return this.#broken;
  }

  /** What is known of the log at this moment. */
  get known(): KnownLog {
    return { next: this.#next, drops: this.#drops, moves: this.#moves };
  }

  /**
   * Whether what is known of the log is what was known before.
   *
   * @param known What was known before.
   * @returns Whether nothing was added or dropped since.
   */
  isAsOf({ next, drops }: KnownLog): boolean {
    return this.#next === next && this.#drops === drops;
  }

  /**
   * Whether what was planned to be collected may still be: entries may have been added since, but
   * nothing was removed, and nobody else has collected anything.
   *
   * @param known What was known when it was planned.
   * @returns Whether it may.
   */
  allowsPiece({ next, moves }: KnownLog): boolean {
    return this.#moves === moves && this.hot.lastRemoval < next && !this.#broken &&
      !this.#isRebuilding;
  }

  /** Whether it is being read anew, so that a part of it is not known. */
  get isRebuilding(): boolean {
    return this.#isRebuilding;
  }

  /** The conditions of a commit: what this process knows of the log is all there is. */
  get conditions(): StorageCondition[] {
    return [{ keyspace: "log", key: this.nextKey, version: undefined }, this.conditionOnCollected];
  }

  /** The condition that nobody else has collected more than is known here. */
  get conditionOnCollected(): StorageCondition {
    return { keyspace: "meta", key: this.#collectedKey, version: this.#collected.version };
  }

  /** The key of the next record. */
  get nextKey(): Uint8Array {
    return this.#nextKey ??= logKey(this.number, this.#next);
  }

  /**
   * Begins to hold on to an actor, so that its state stays known.
   *
   * @param actor The actor.
   * @returns What the log knows of it.
   */
  attach({ key }: ActorAddress): LogActor {
    return this.hot.attach(key, keyChecksumOf(key));
  }

  /**
   * Adds a record that this process has committed.
   *
   * @param position Its position.
   * @param bytes The record.
   * @param changes What it has done, in the order of its items.
   */
  append(position: number, bytes: Uint8Array, changes: readonly AppliedChange[]): void {
    // A reader may have followed the log in the meantime, and found it in the storage, or may be about
    // to find it. If it does not, the log goes on there when it is followed again.
    if (this.#isRebuilding || position !== this.#next) return;
    this.#moveNext(position + 1);
    this.hot.addOwn(position, LogRecord.of(bytes), changes);
  }

  /**
   * A part of the log has been collected.
   *
   * @param collected How far.
   */
  moveTo(collected: CollectedPart): void {
    // A reader may have followed the log in the meantime, and found that others have collected more, or
    // may be about to find it.
    if (this.#isRebuilding || collected.position < this.#collected.position) return;
    if (collected.position > this.#collected.position) {
      this.#drops++;
      this.#moves++;
      this.#assembler.clear();
      this.hot.dropBefore(collected.position);
    }
    this.#collected = collected;
  }

  /**
   * The items of an actor have been collected, up to a position.
   *
   * @param actor The actor.
   * @param position The position.
   */
  dropItems(actor: LogActor, position: number): void {
    this.#drops++;
    actor.mayHaveHead = true;
    this.#assembler.forget(actor);
    this.hot.dropItemsBefore(actor, position);
  }

  /**
   * Learns what was committed before the call, by any process.
   *
   * @returns Nothing, or a promise that resolves when it is known.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  follow(): MaybePromise<void> {
    if (this.#following) {
      // What was read of the storage so far may be older than the call.
      return this.#followingAfter ??= this.#followAgain(this.#following);
    }
    const record = this.#getNext();
    if (!isPromise(record) && !record) {
      const collected = this.#getCollected();
      if (!isPromise(collected) && collected?.version === this.#collected.version) return;
    }
    return this.#following = this.#followFrom(record);
  }

  /**
   * Makes sure that the state of an actor is known.
   *
   * @param address The actor.
   * @param actor What the log knows of it.
   * @returns The state, after everything that the log has followed.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async load(address: ActorAddress, actor: LogActor): Promise<JournalState> {
    for (;;) {
      // What another call reads anew is known in part.
      while (this.#isRebuilding) await this.follow();
      this.#assertReadable(address, actor.checksum);
      if (actor.state) return actor.state;
      const known = this.known;
      const head = await this.#headOf(address, actor);
      if (known.drops !== this.#drops || actor.state) continue;
      const assembled = await this.#assembleAgain(address, actor, head, known);
      if (!assembled) continue;
      const isNew = !head && assembled.state.incarnation === 0;
      if (isNew && !await this.#isReallyNew(address, known)) continue;
      if (known.drops !== this.#drops || actor.state) continue;
      actor.mayHaveHead = head !== undefined;
      actor.base = head?.position ?? 0;
      // What came while it was read was not counted.
      actor.state = this.#assembler.assemble(address, actor, head).state;
      return actor.state;
    }
  }

  /** See {@linkcode JournalHeads.stateOf}. */
  async stateOf(address: ActorAddress): Promise<JournalState> {
    await this.follow();
    const actor = this.attach(address);
    try {
      return await this.load(address, actor);
    } finally {
      this.hot.detach(actor);
    }
  }

  /**
   * Reads the newest state of a journal, of any process, from what is stored, even if it is known: so
   * damage of its head is noticed. No commit of this process may be under way for the actor.
   *
   * @param address The actor.
   * @returns The state.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`.
   */
  async storedStateOf(address: ActorAddress): Promise<JournalState> {
    await this.follow();
    const actor = this.attach(address);
    actor.state = undefined;
    try {
      return await this.load(address, actor);
    } finally {
      this.hot.detach(actor);
    }
  }

  /** See {@linkcode JournalHeads.read}. */
  async read(address: ActorAddress): Promise<JournalHead> {
    const checksum = keyChecksumOf(address.key);
    const followed = this.follow();
    if (isPromise(followed)) await followed;
    for (;;) {
      while (this.#isRebuilding) await this.follow();
      this.#assertReadable(address, checksum);
      const actor = this.hot.find(address.key, checksum);
      const known = this.known;
      const pending = this.#headOf(address, actor);
      const head = isPromise(pending) ? await pending : pending;
      if (known.drops !== this.#drops) continue;
      this.#assertReadable(address, checksum);
      const own = this.hot.find(address.key, checksum);
      const assembling = this.#assembleAgain(address, own, head, known);
      const assembled = isPromise(assembling) ? await assembling : assembling;
      if (!assembled) continue;
      // At once: further runs may be added later.
      const journal = { ...assembled.state, runs: retainedRuns(assembled) };
      const isNew = !head && journal.incarnation === 0;
      if (isNew && !await this.#isReallyNew(address, known)) continue;
      return journal;
    }
  }

  /** See {@linkcode JournalHeads.hotActors}. */
  async hotActors({ start, end }: KeyRange): Promise<ActorAddress[]> {
    do await this.follow(); while (this.#isRebuilding);
    if (this.#broken) throw this.#broken;
    if (this.hot.lowestDamage !== undefined) {
      throw new PersistenceError("CORRUPT", "Cannot list actors: an item of the log is damaged");
    }
    const keys: Uint8Array[] = [];
    for (const { key, isHot } of this.hot.actors()) {
      if (isHot && compareBytes(key, start) >= 0 && compareBytes(key, end) < 0) keys.push(key);
    }
    keys.sort(compareBytes);
    return keys.map(addressIn).filter((address) => address !== undefined);
  }

  /** Nothing of an actor that has been deleted since needs its head, which may be damaged. */
  #headOf(
    address: ActorAddress,
    actor: LogActor | undefined,
  ): MaybePromise<StoredHead | undefined> {
    if (actor && (!actor.mayHaveHead || this.hot.isDeleted(actor))) return undefined;
    return loadHead(this.#storage, address);
  }

  /** Learns whether there is more than was known. */
  async #hasMoved(known: KnownLog): Promise<boolean> {
    await this.follow();
    return !this.isAsOf(known);
  }

  /**
   * What head and hot items make together; `undefined` if they do not fit because the head is newer
   * than what is known of the log, so that it must be read again.
   */
  #assembleAgain(
    address: ActorAddress,
    actor: LogActor | undefined,
    head: StoredHead | undefined,
    known: KnownLog,
  ): MaybePromise<Assembled | undefined> {
    try {
      return this.#assembler.assemble(address, actor, head);
    } catch (error) {
      return this.#hasMoved(known).then((hasMoved) => {
        if (hasMoved) return undefined;
        throw error;
      });
    }
  }

  /**
   * Makes sure that a journal of which nothing was found does not exist: one whose head was lost to
   * damage must not begin again at 0. Returns false if the log must be looked at again.
   *
   * @param known What was known when nothing was found.
   */
  async #isReallyNew(address: ActorAddress, known: KnownLog): Promise<boolean> {
    const [entry] = await this.#storage.scan("entries", {
      start: entryKey(address.key, 0),
      end: entryKeysEnd(address.key),
      maxEntries: 1,
      maxBytes: 1,
    });
    if (!entry || await isBeingRemoved(this.#storage, address)) return true;
    // Another call may have followed the log since.
    if (await this.#hasMoved(known)) return false;
    // The actor may have been deleted in the meantime, and begun anew. But frames of the same version
    // are of the same journal.
    const again = await this.#storage.get("entries", entry.key);
    if (again?.version !== entry.version) return false;
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read journal of ${describeActor(address)}: it has entries but no head`,
      detailsOf(address),
    );
  }

  #assertReadable(address: ActorAddress, checksum: number): void {
    if (this.#broken) {
      throw new PersistenceError(
        this.#broken.code,
        `Cannot read journal of ${describeActor(address)}: ${this.#broken.message}`,
        { cause: this.#broken, ...detailsOf(address) },
      );
    }
    if (!this.hot.isDamaged(checksum)) return;
    throw new PersistenceError(
      "CORRUPT",
      `Cannot read journal of ${describeActor(address)}: an item of the log is damaged`,
      detailsOf(address),
    );
  }

  #getNext(): MaybePromise<StoredEntry | undefined> {
    return this.#storage.get("log", this.nextKey);
  }

  #moveNext(position: number): void {
    this.#next = position;
    this.#nextKey = undefined;
  }

  #getCollected(): MaybePromise<StoredEntry | undefined> {
    return this.#storage.get("meta", this.#collectedKey);
  }

  async #followAgain(following: Promise<void>): Promise<void> {
    try {
      await following;
    } catch {
      // Its own callers get the error.
    }
    this.#followingAfter = undefined;
    await this.follow();
  }

  async #followFrom(first: MaybePromise<StoredEntry | undefined>): Promise<void> {
    try {
      await this.#followAll(first);
    } finally {
      this.#following = undefined;
    }
  }

  async #followAll(first: MaybePromise<StoredEntry | undefined>): Promise<void> {
    for (let stored = await first;; stored = await this.#getNext()) {
      // Others have collected what is not known here, and put an order in its place.
      if (stored?.version === LOG_VERSION.order) return await this.#rebuild();
      if (stored) {
        // One of this process may have been added while it was read.
        this.#learn(this.#next, stored);
        continue;
      }
      const collected = await this.#getCollected();
      if (collected?.version === this.#collected.version) return;
      const position = this.#positionAfter(collected);
      // If others have collected more than is known here, the records in between may be gone.
      if (position !== undefined && position > this.#next) return await this.#rebuild();
      if (position !== undefined) this.moveTo({ position, version: collected?.version });
      return;
    }
  }

  #learn(position: number, { key, value }: StoredEntry): void {
    if (positionIn(key) !== position || position !== this.#next) return;
    this.#moveNext(position + 1);
    try {
      this.hot.addRead(position, LogRecord.read(key, value));
    } catch (error) {
      this.#break(error);
    }
  }

  /** How far others have collected; `undefined` if that is damaged. */
  #positionAfter(collected: StoredEntry | undefined): number | undefined {
    try {
      const position = decodePositions(collected).first;
      if (position >= this.#collected.position) return position;
      throw new PersistenceError("CORRUPT", "Cannot read state of the log: the record is missing");
    } catch (error) {
      this.#break(error);
      return undefined;
    }
  }

  /** Nothing can be read any more. */
  #break(error: unknown): void {
    if (!(error instanceof PersistenceError)) throw error;
    if (error.code !== "CORRUPT" && error.code !== "UNSUPPORTED_FORMAT") throw error;
    this.#broken ??= error;
    // Nothing may be written on what was known before.
    this.hot.forgetStates();
  }

  async #rebuild(): Promise<void> {
    this.#isRebuilding = true;
    try {
      await this.#readAnew();
    } finally {
      this.#isRebuilding = false;
    }
  }

  async #readAnew(): Promise<void> {
    for (;;) {
      this.#drops++;
      this.#moves++;
      this.#assembler.clear();
      this.hot.clear();
      const stored = await this.#getCollected();
      try {
        const position = decodePositions(stored).first;
        this.#collected = { position, version: stored?.version };
        this.#moveNext(position);
        if (await this.#walk()) return;
      } catch (error) {
        return this.#break(error);
      }
      // Others have collected what was being read.
    }
  }

  /** Reads all records from the next one on. Returns false if others have collected meanwhile. */
  async #walk(): Promise<boolean> {
    await this.#checkNeighbors();
    for (;;) {
      const page = await this.#storage.scan("log", {
        start: this.nextKey,
        end: logKeysEnd(this.number),
        maxEntries: MAX_PAGE_RECORDS,
        maxBytes: MAX_PAGE_BYTES,
      });
      if (page.length === 0) return true;
      for (const stored of page) {
        if (positionIn(stored.key) !== this.#next || stored.version === LOG_VERSION.order) {
          const collected = await this.#getCollected();
          if (collected?.version !== this.#collected.version) return false;
          throw new PersistenceError(
            "CORRUPT",
            `Cannot read log: the record at position ${this.#next} is missing or misplaced`,
          );
        }
        this.#learn(this.#next, stored);
      }
    }
  }

  /** A damaged key may be that of the first or the last record, and stand outside of the log. */
  async #checkNeighbors(): Promise<void> {
    const page = { maxEntries: 1, maxBytes: 1, keysOnly: true };
    const start = Uint8Array.of(this.number >>> 8, this.number);
    const [before] = await this.#storage.scan("log", {
      ...page,
      start,
      end: this.nextKey,
      reverse: true,
    });
    const [after] = await this.#storage.scan("log", {
      ...page,
      start: logKeysEnd(this.number),
      end: LOG_KEYS_END,
    });
    for (const neighbor of [before, after]) {
      if (!neighbor || positionIn(neighbor.key) !== undefined) continue;
      // What has been collected is not needed any more.
      if ((await this.#storage.get("log", neighbor.key))?.version === LOG_VERSION.order) continue;
      throw new PersistenceError("CORRUPT", "Cannot read log: the key of a record is damaged");
    }
  }
}
