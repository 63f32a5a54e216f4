import type { Codec } from "../../../core/ports/codec.ts";
import type { BatchedMessageJournal } from "../../../core/ports/batched_journal.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { PacedProvider } from "../paced_provider.ts";
import type { SimulationConfig } from "./case.ts";
import { KEPT_SNAPSHOTS } from "./model.ts";
import { type SimulatedDisk, SimulatedStorage } from "./storage.ts";

/** Messages and states are numbers; what is beside them is padding. */
class NumberCodec implements Codec {
  readonly name = "number";
  readonly #bytes: number;

  constructor(padding: number) {
    this.#bytes = 4 + padding;
  }

  encode(value: unknown): Uint8Array {
    if (typeof value !== "number") throw new Error("only numbers can be encoded");
    const bytes = new Uint8Array(this.#bytes);
    for (let index = 0; index < 4; index++) bytes[index] = value >>> (24 - 8 * index);
    return bytes;
  }

  decode(bytes: Uint8Array): number {
    const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = bytes;
    return (b0 << 24 | b1 << 16 | b2 << 8 | b3) >>> 0;
  }
}

/** One process: a provider with its journals, on a storage of its own over the common data. */
export class SimulatedProcess {
  /** Its number: all that are ever opened are counted. */
  readonly instance: number;
  readonly provider: PersistenceProvider;
  readonly storage: SimulatedStorage;
  /** The journals that are in use: two plain ones, a batched and an adaptive one. */
  readonly journals: MessageJournal<number>[];
  /** Those and all that were closed. */
  readonly allJournals: MessageJournal<number>[];
  readonly snapshots: SnapshotStore<number>;
  /** How many streams have been opened. Each may have a window of messages beyond the limits. */
  streams = 0;
  /** Whether it must be closed and opened again. */
  mustReopen = false;

  readonly #makers: readonly (() => MessageJournal<number>)[];

  private constructor(instance: number, provider: PersistenceProvider, storage: SimulatedStorage) {
    this.instance = instance;
    this.provider = provider;
    this.storage = storage;
    this.#makers = [
      () => provider.createMessageJournal<number>(),
      () => provider.createMessageJournal<number>(),
      () => provider.createBatchedMessageJournal<number>({ maxBatchSize: 4, maxBatchDelayMs: 3 }),
      () => provider.createBatchedMessageJournal<number>({ adaptive: true, maxBatchBytes: 40 }),
    ];
    this.journals = this.#makers.map((make) => make());
    this.allJournals = [...this.journals];
    this.snapshots = provider.createSnapshotStore<number>({ keep: KEPT_SNAPSHOTS });
  }

  /**
   * Opens a process.
   *
   * @param instance Its number.
   * @param disk What its storage is on.
   * @param config How its provider works.
   */
  static async open(
    instance: number,
    disk: SimulatedDisk,
    config: SimulationConfig,
  ): Promise<SimulatedProcess> {
    const storage = new SimulatedStorage(disk);
    const provider = await PacedProvider.open(storage, config, {
      codec: new NumberCodec(config.padding),
      maxPendingMessages: config.maxPendingMessages,
      maxPendingBytes: config.maxPendingBytes,
      maxHotBytes: config.maxHotBytes,
      backpressure: config.backpressure,
    });
    return new SimulatedProcess(instance, provider, storage);
  }

  /** Closes a journal with whatever it has under way, and makes another one in its place. */
  replaceJournal(place: number): { journal: MessageJournal<number>; closed: Promise<void> } {
    const journal = this.journal(place);
    const closed = journal.close();
    const make = this.#makers[place];
    if (make) {
      const fresh = make();
      this.journals[place] = fresh;
      this.allJournals.push(fresh);
    }
    return { journal, closed };
  }

  /** One of the journals that are in use. */
  journal(place: number): MessageJournal<number> {
    const journal = this.journals[place];
    if (!journal) throw new Error(`there is no journal ${place}`);
    return journal;
  }

  /** What its journals have not settled. */
  get pending(): { messages: number; bytes: number } {
    let messages = 0;
    let bytes = 0;
    for (const { pending } of this.allJournals) {
      messages += pending.messages;
      bytes += pending.bytes;
    }
    return { messages, bytes };
  }
}

/** Whether a journal lets its appends wait for others. */
export function isBatched(
  journal: MessageJournal<number>,
): journal is BatchedMessageJournal<number> {
  return "flush" in journal;
}
