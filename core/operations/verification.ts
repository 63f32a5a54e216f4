/**
 * Verifies a store: first all records by themselves, then the journals of all actors. It reads in
 * pages while others write, so what seems to be wrong is looked at again before it is reported.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn, nameOf } from "../format/actor_address.ts";
import { hasValidChecksum } from "../format/checksummed_key.ts";
import { entryKeysEnd, keyAfter } from "../format/keys.ts";
import { LOG_VERSION } from "../format/log_keys.ts";
import { LogRecord } from "../format/log_record.ts";
import { snapshotNumberOf } from "../format/snapshot_record.ts";
import type { Codec } from "../ports/codec.ts";
import {
  type Keyspace,
  KEYSPACES,
  MAX_KEY_BYTES,
  type Storage,
  type StoredEntry,
} from "../ports/storage.ts";
import type { DamagedActor, VerifyProblem, VerifyReport } from "../ports/verification.ts";
import type { JournalHeads } from "../read/journal_head.ts";
import { JournalReader } from "../read/journal_reader.ts";
import { isBeingRemoved } from "../read/removal.ts";
import { MESSAGE } from "../schema/payloads.ts";
import { compareBytes } from "../util/bytes.ts";
import { sleep } from "../util/promises.ts";
import { AnyPayloads } from "./any_payloads.ts";
import { actorOfItem, checkRecord } from "./record_checks.ts";
import type { CheckedVerifyOptions } from "./verify_options.ts";

const LOWEST_KEY = Uint8Array.of(0);
const KEYS_END = new Uint8Array(MAX_KEY_BYTES).fill(0xff);
const PAGE = { maxEntries: 512, maxBytes: 2 ** 20 };
/** How long it may keep other tasks from having a turn, in milliseconds. */
const MAX_TURN_MS = 20;
/** How often a journal is read again that is truncated meanwhile. */
const MAX_ATTEMPTS = 5;

/** What a verification reads. */
export interface VerificationServices {
  readonly storage: Storage;
  readonly heads: JournalHeads;
  readonly codec: Codec;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: () => void;
}

/** Which damage has been found of an actor. */
interface Suspect {
  readonly actor: ActorAddress;
  hasLostEffects: boolean;
}

/** A verification of a store. It runs once. */
export class Verification {
  readonly #services: VerificationServices;
  readonly #options: CheckedVerifyOptions;
  readonly #reader: JournalReader;
  readonly #records = new Map<Keyspace, number>(KEYSPACES.map((keyspace) => [keyspace, 0]));
  readonly #problems: VerifyProblem[] = [];
  readonly #suspects = new Map<string, Suspect>();
  #problemCount = 0;
  #bytes = 0;
  #journals = 0;
  #entries = 0;
  #erased = 0;
  #turnEndsAtMs = 0;

  /**
   * @param services What it reads.
   * @param options How, and who watches it.
   */
  constructor(services: VerificationServices, options: CheckedVerifyOptions) {
    this.#services = services;
    this.#options = options;
    const { storage, heads, codec } = services;
    this.#reader = new JournalReader(storage, heads, new AnyPayloads(codec, MESSAGE));
  }

  /**
   * Reads everything.
   *
   * @returns What it has found.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  async run(): Promise<VerifyReport> {
    const { entries } = await this.#services.storage.stats();
    const total = KEYSPACES.reduce((sum, keyspace) => sum + entries[keyspace], 0);
    let done = 0;
    for (const keyspace of KEYSPACES) {
      for await (const page of this.#pages(keyspace, false)) {
        for (const stored of page) await this.#checkRecord(keyspace, stored);
        done += page.length;
        this.#options.onProgress?.({ phase: "records", done, total: Math.max(done, total) });
      }
    }
    await this.#readJournals(entries.heads);
    return await this.#report();
  }

  async #checkRecord(keyspace: Keyspace, stored: StoredEntry): Promise<void> {
    this.#records.set(keyspace, (this.#records.get(keyspace) ?? 0) + 1);
    this.#bytes += stored.key.length + stored.value.length;
    if (!this.#problemOf(keyspace, stored)) return;
    // It may have been written again in the midst of the page, or deleted.
    const now = await this.#services.storage.get(keyspace, stored.key);
    const problem = now && this.#problemOf(keyspace, now);
    if (!problem) return;
    const { error, actors, sequenceNumber } = problem;
    for (const actor of actors) this.#suspect(actor, keyspace === "outbox");
    this.#add(keyspace, error, actors.length === 1 ? actors[0] : undefined, sequenceNumber);
  }

  #problemOf(keyspace: Keyspace, stored: StoredEntry): {
    readonly error: PersistenceError;
    readonly actors: readonly ActorAddress[];
    readonly sequenceNumber: number | undefined;
  } | undefined {
    const { codec } = this.#services;
    const actors: ActorAddress[] = [];
    let sequenceNumber: number | undefined;
    try {
      checkRecord(keyspace, stored, {
        codec: this.#options.decode ? codec : undefined,
        found(address, number) {
          actors.push(address);
          sequenceNumber = number;
        },
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof PersistenceError)) throw error;
      return { error, actors, sequenceNumber };
    }
  }

  async #readJournals(total: number): Promise<void> {
    for await (const actor of this.#actors()) {
      await this.#readJournal(actor);
      this.#journals++;
      const done = this.#journals;
      this.#options.onProgress?.({ phase: "journals", done, total: Math.max(done, total) });
      await this.#yield();
    }
  }

  /** The actors that have a head, and those of which the log says more, each once. */
  async *#actors(): AsyncGenerator<ActorAddress, void, undefined> {
    const hot = await this.#hotActors();
    let next = 0;
    for await (const page of this.#pages("heads", true)) {
      for (const { key } of page) {
        const actor = hasValidChecksum(key) ? addressIn(key) : undefined;
        if (!actor) continue;
        for (let other = hot[next]; other; other = hot[next]) {
          const order = compareBytes(other.key, actor.key);
          if (order > 0) break;
          next++;
          if (order < 0) yield other;
        }
        yield actor;
      }
    }
    yield* hot.slice(next);
  }

  async #hotActors(): Promise<readonly ActorAddress[]> {
    try {
      return await this.#services.heads.hotActors({ start: LOWEST_KEY, end: KEYS_END });
    } catch (error) {
      if (isDamage(error)) return await this.#actorsOfLog();
      throw error;
    }
  }

  /** The actors of all records that the log still has: of a damaged one the provider knows none. */
  async #actorsOfLog(): Promise<readonly ActorAddress[]> {
    const actors: ActorAddress[] = [];
    for await (const page of this.#pages("log", false)) {
      for (const stored of page) actors.push(...actorsIn(stored));
    }
    actors.sort((one, other) => compareBytes(one.key, other.key));
    return actors.filter((actor, index) => {
      const before = actors[index - 1];
      return !before || compareBytes(before.key, actor.key) !== 0;
    });
  }

  async #readJournal(actor: ActorAddress): Promise<void> {
    for (let attempt = 1;; attempt++) {
      let [entries, erased] = [0, 0];
      try {
        for await (const page of this.#reader.pages<unknown>(actor, everything(0))) {
          entries += page.length;
          if (this.#options.decode) {
            for (let entry = page.next(); entry; entry = page.next()) if (entry.isErased) erased++;
          }
          await this.#yield();
        }
      } catch (error) {
        if (hasMoved(error) && attempt < MAX_ATTEMPTS) continue;
        if (!isDamage(error)) throw error;
        if (await isBeingRemoved(this.#services.storage, actor)) return;
        this.#suspect(actor, false);
        this.#add("journal", error, actor, error.sequenceNumber);
      }
      this.#entries += entries;
      this.#erased += erased;
      return;
    }
  }

  async #report(): Promise<VerifyReport> {
    const damagedActors: DamagedActor[] = [];
    for (const suspect of this.#suspects.values()) {
      const { kind, actorId } = suspect.actor;
      const loses = await this.#lossOf(suspect);
      damagedActors.push({ ...(kind !== "" && { kind }), actorId, loses });
    }
    return {
      isSound: this.#problemCount === 0,
      records: Object.fromEntries(this.#records) as Record<Keyspace, number>,
      bytes: this.#bytes,
      journals: this.#journals,
      entries: this.#entries,
      erased: this.#erased,
      problems: this.#problems,
      problemCount: this.#problemCount,
      damagedActors,
    };
  }

  /** What is lost: which states can be reached from what can still be read? */
  async #lossOf({ actor, hasLostEffects }: Suspect): Promise<DamagedActor["loses"]> {
    const whole = await this.#canRead(actor, 0);
    if (whole) {
      const { firstSequenceNumber, originSequenceNumber } = whole;
      const isComplete = firstSequenceNumber === originSequenceNumber;
      const canRecover = isComplete || await this.#hasUsefulSnapshot(actor, firstSequenceNumber);
      if (canRecover) return hasLostEffects ? "effects" : "nothing";
      return "state";
    }
    return await this.#hasUsefulSnapshot(actor, 0) ? "history" : "state";
  }

  /** Whether there is a sound snapshot after which all can be read. */
  async #hasUsefulSnapshot(actor: ActorAddress, first: number): Promise<boolean> {
    const { storage } = this.#services;
    for (let end = entryKeysEnd(actor.key);;) {
      const [stored] = await storage.scan("snapshots", {
        start: actor.key,
        end,
        reverse: true,
        maxEntries: 1,
        maxBytes: 1,
      });
      if (!stored) return false;
      end = stored.key;
      const number = snapshotNumberOf(stored.key);
      if (number < first - 1 || this.#problemOf("snapshots", stored)) continue;
      if (await this.#canRead(actor, number + 1)) return true;
    }
  }

  /** The range of a journal, if all that it has from a number on can be read. */
  async #canRead(actor: ActorAddress, from: number): Promise<
    {
      readonly firstSequenceNumber: number;
      readonly originSequenceNumber: number;
    } | undefined
  > {
    for (let attempt = 1;; attempt++) {
      try {
        const pages = this.#reader.pages<unknown>(actor, everything(from));
        for (let page = await pages.next();; page = await pages.next()) {
          if (page.done) {
            const { lowest, origin } = page.value;
            return { firstSequenceNumber: lowest, originSequenceNumber: origin };
          }
          if (this.#options.decode) { while (page.value.next()); }
          await this.#yield();
        }
      } catch (error) {
        if (hasMoved(error) && attempt < MAX_ATTEMPTS) continue;
        if (isDamage(error)) return undefined;
        throw error;
      }
    }
  }

  async *#pages(
    keyspace: Keyspace,
    keysOnly: boolean,
  ): AsyncGenerator<readonly StoredEntry[], void, undefined> {
    const { storage } = this.#services;
    for (let start: Uint8Array = LOWEST_KEY;;) {
      await this.#yield();
      const page = await storage.scan(keyspace, { start, end: KEYS_END, keysOnly, ...PAGE });
      const last = page[page.length - 1];
      if (!last) return;
      yield page;
      start = keyAfter(last.key);
    }
  }

  #suspect(actor: ActorAddress, isOfOutbox: boolean): void {
    const name = nameOf(actor);
    const known = this.#suspects.get(name);
    if (known) known.hasLostEffects ||= isOfOutbox;
    else if (this.#suspects.size < this.#options.maxProblems) {
      this.#suspects.set(name, { actor, hasLostEffects: isOfOutbox });
    }
  }

  #add(
    place: VerifyProblem["place"],
    { code, message }: PersistenceError,
    actor: ActorAddress | undefined,
    sequenceNumber: number | undefined,
  ): void {
    this.#problemCount++;
    if (this.#problems.length >= this.#options.maxProblems) return;
    this.#problems.push({
      place,
      ...(actor && actor.kind !== "" && { kind: actor.kind }),
      ...(actor && { actorId: actor.actorId }),
      ...(sequenceNumber !== undefined && !Number.isNaN(sequenceNumber) && { sequenceNumber }),
      code,
      message,
    });
  }

  /** Lets others have a turn, and notices that it is to end. */
  async #yield(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (performance.now() < this.#turnEndsAtMs) return;
    await sleep(0);
    this.#turnEndsAtMs = performance.now() + MAX_TURN_MS;
    signal?.throwIfAborted();
    this.#services.assertOpen();
  }
}

function everything(from: number): {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  readonly reverse: boolean;
} {
  return { from, to: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER, reverse: false };
}

/** The actors of a record of the log, as far as they can be known. */
function actorsIn({ key, value, version }: StoredEntry): ActorAddress[] {
  if (version === LOG_VERSION.order) return [];
  try {
    const record = LogRecord.read(key, value);
    return Array.from({ length: record.count }, (_, index) => actorOfItem(record, index))
      .filter((actor) => actor !== undefined);
  } catch (error) {
    // It has been reported.
    if (isDamage(error)) return [];
    throw error;
  }
}

function isDamage(error: unknown): error is PersistenceError {
  return error instanceof PersistenceError &&
    (error.code === "CORRUPT" || error.code === "UNSUPPORTED_FORMAT");
}

function hasMoved(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "TRUNCATED";
}
