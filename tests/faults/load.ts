/**
 * What writers do until they are stopped: appends, batches, truncations and snapshots of several
 * actors at once, each told before and after.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type { MessageJournal } from "../../core/ports/journal.ts";
import type { Storage } from "../../core/ports/storage.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { type Random, randomFrom } from "../conformance/random.ts";
import type { LedgerRecord } from "./ledger.ts";
import { messageOf, stateOf } from "./ledger_content.ts";
import { PacedProvider } from "./paced_provider.ts";

/**
 * Opens a provider for a load. In half of all runs the log is collected all the time, in many pieces,
 * so what goes wrong meets collections, and also what comes between two pieces.
 *
 * @param storage The storage.
 * @param seed Decides that.
 * @returns The provider.
 */
export function openForLoad(storage: Storage, seed: number): Promise<PersistenceProvider> {
  if (seed % 2 !== 0) return PersistenceProvider.openOn(storage);
  return PacedProvider.open(storage, { takeoverMs: 20, minPieceBytes: 1 }, { maxHotBytes: 10_000 });
}

/** What is done how often, relative to the rest. */
export interface LoadMix {
  readonly append?: number;
  readonly batch?: number;
  /** Appends by a batched journal. */
  readonly batched?: number;
  readonly truncate?: number;
  readonly snapshot?: number;
}

/** A load. */
export interface LoadOptions {
  /** The name of the process, without spaces; no other one has it. */
  readonly writer: string;
  readonly seed: number;
  readonly mix: LoadMix;
  /** How many actors are written to. */
  readonly actors: number;
  /** How many operations are in flight at once. */
  readonly lanes: number;
  /** How long messages are at the most. */
  readonly messageBytes: number;
  /** How long states are at the most. */
  readonly stateBytes: number;
  /** How many operations there are. Default: it goes on for ever. */
  readonly operations?: number;
  /** Takes what is to be told. */
  readonly tell: (record: LedgerRecord) => void;
}

const MAX_BATCH = 12;
/** A truncation keeps about this many messages. */
const MAX_KEPT = 40;

/** The actors of a load. */
export function actorsOf({ actors }: Pick<LoadOptions, "actors">): string[] {
  return Array.from({ length: actors }, (_, index) => `actor-${index}`);
}

/**
 * Writes.
 *
 * @param provider What is written to.
 * @param options The load.
 */
export async function runLoad(provider: PersistenceProvider, options: LoadOptions): Promise<void> {
  const load = new Load(provider, options);
  await Promise.all(Array.from({ length: options.lanes }, () => load.runLane()));
}

class Load {
  readonly #provider: PersistenceProvider;
  readonly #options: LoadOptions;
  readonly #random: Random;
  readonly #actorIds: readonly string[];
  readonly #choices: readonly (keyof LoadMix)[];
  readonly #plain: MessageJournal<string>;
  readonly #batched: MessageJournal<string>;
  readonly #highest = new Map<string, number>();
  #operation = 0;

  constructor(provider: PersistenceProvider, options: LoadOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#actorIds = actorsOf(options);
    const { append = 0, batch = 0, batched = 0, truncate = 0, snapshot = 0 } = options.mix;
    this.#choices = Object.entries({ append, batch, batched, truncate, snapshot })
      .flatMap(([kind, weight]) => Array<keyof LoadMix>(weight).fill(kind as keyof LoadMix));
    this.#plain = provider.createMessageJournal();
    this.#batched = provider.createBatchedMessageJournal({ maxBatchDelayMs: 2 });
  }

  async runLane(): Promise<void> {
    const { operations = Infinity } = this.#options;
    while (this.#operation < operations) await this.#runOne();
  }

  async #runOne(): Promise<void> {
    const actorId = this.#pick(this.#actorIds);
    try {
      await this.#operate(this.#pick(this.#choices), actorId);
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "STORAGE_FULL") throw error;
      await this.#makeRoom(actorId);
    }
  }

  async #operate(kind: keyof LoadMix, actorId: string): Promise<void> {
    const operation = this.#operation++;
    const highest = this.#highest.get(actorId) ?? -1;
    if (highest >= 0 && kind === "truncate") {
      await this.#truncate(operation, actorId, Math.max(0, highest - this.#random.below(MAX_KEPT)));
    } else if (highest >= 0 && kind === "snapshot") {
      await this.#save(operation, actorId, highest);
    } else {
      await this.#append(operation, actorId, kind);
    }
  }

  async #append(operation: number, actorId: string, kind: keyof LoadMix): Promise<void> {
    const { writer, messageBytes, tell } = this.#options;
    const of = kind === "batch" ? 2 + this.#random.below(MAX_BATCH - 1) : 1;
    const messages = Array.from({ length: of }, (_, at) => {
      const bytes = this.#random.below(messageBytes);
      return messageOf({ actorId, writer, operation, at, of, bytes });
    });
    const [message = ""] = messages;
    tell({ begins: operation, actorId, appends: of });
    const journal = kind === "batched" ? this.#batched : this.#plain;
    const [first = -1] = of === 1
      ? [await journal.append(actorId, message)]
      : await journal.appendBatch(actorId, messages);
    tell({ acknowledges: operation, first });
    this.#highest.set(actorId, Math.max(this.#highest.get(actorId) ?? -1, first + of - 1));
  }

  /** A load that fills its storage goes on in the room that it makes. */
  async #makeRoom(actorId: string): Promise<void> {
    const highest = await this.#plain.getHighestSequenceNumber(actorId);
    await this.#truncate(this.#operation++, actorId, highest + 1);
  }

  async #truncate(operation: number, actorId: string, before: number): Promise<void> {
    const { tell } = this.#options;
    tell({ begins: operation, actorId, truncates: before });
    await this.#plain.truncateBefore(actorId, before);
    tell({ acknowledges: operation });
  }

  async #save(operation: number, actorId: string, number: number): Promise<void> {
    const { writer, stateBytes, tell } = this.#options;
    const bytes = this.#random.below(stateBytes);
    const state = stateOf({ actorId, writer, operation, at: 0, of: 0, bytes }, number);
    tell({ begins: operation, actorId, saves: number });
    await this.#provider.createSnapshotStore<string>().saveSnapshot(actorId, state, number);
    tell({ acknowledges: operation });
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#random.below(items.length)];
    if (item === undefined) throw new Error("there is nothing to pick from");
    return item;
  }
}
