/**
 * Consumers: readers that follow journals, such as projections, and how far each of them has read.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { MaybePromise } from "../util/promises.ts";

/** Options of a registry of consumers. */
export interface ConsumerRegistryOptions {
  /**
   * The kind of the actors whose journals are read: see {@linkcode JournalOptions.kind}.
   *
   * @default {undefined} Actors without kind.
   */
  kind?: string;
}

/** The names of {@linkcode ConsumerRegistryOptions}. */
export const CONSUMER_REGISTRY_OPTION_NAMES: OptionNames<ConsumerRegistryOptions> = { kind: true };

/** Knows what the consumers of journals still need, so that retention keeps it. */
export interface ConsumerPositions {
  /**
   * The lowest sequence number of an actor's journal that a consumer still needs.
   *
   * @param actorId The id of the actor.
   * @returns The sequence number, or `undefined` if no consumer needs any entry.
   */
  lowestNeeded(actorId: string): MaybePromise<number | undefined>;
}

/**
 * Remembers durably how far the consumers of journals have read, so that retention keeps what they
 * still need. A consumer registers before it reads, and moves its position after it has processed
 * what it read.
 *
 * @example A projection that has not read everything yet
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const consumers = provider.createConsumerRegistry();
 * await consumers.register("account-1", "reports", 120);
 * console.log(await consumers.lowestNeeded("account-1")); // 120
 * ```
 */
export interface ConsumerRegistry extends ConsumerPositions {
  /**
   * Registers a consumer of an actor's journal, or moves its position. Entries that have already
   * been truncated do not come back.
   *
   * @param actorId The id of the actor.
   * @param consumer The name of the consumer: 1 to 256 code units, unique among the consumers of
   *   the actor.
   * @param sequenceNumber The lowest sequence number that the consumer still needs.
   * @returns Resolves when the position is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `TOO_LARGE` if the actor already has 1,000 consumers;
   *   `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CORRUPT`, `CLOSED`.
   */
  register(actorId: string, consumer: string, sequenceNumber: number): Promise<void>;

  /**
   * Removes a consumer, which then no longer keeps entries from being truncated. Idempotent.
   *
   * @param actorId The id of the actor.
   * @param consumer The name of the consumer.
   * @returns Resolves when the removal is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an argument is invalid.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`,
   *   `CORRUPT`, `CLOSED`.
   */
  unregister(actorId: string, consumer: string): Promise<void>;

  /**
   * The positions of all consumers of an actor.
   *
   * @param actorId The id of the actor.
   * @returns The lowest sequence number that each consumer still needs, by the consumer's name.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the actor id is invalid.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  positions(actorId: string): Promise<ReadonlyMap<string, number>>;

  /**
   * The lowest sequence number of an actor's journal that a consumer still needs.
   *
   * @param actorId The id of the actor.
   * @returns The sequence number, or `undefined` if no consumer needs any entry.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the actor id is invalid.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  lowestNeeded(actorId: string): Promise<number | undefined>;
}
