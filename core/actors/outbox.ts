/**
 * The outbox of the actors of a kind, as users see it: what is open, and what was given up.
 *
 * @module
 */

import {
  checkActorId,
  checkInteger,
  checkOptions,
  checkSignal,
  describeType,
} from "../errors/arguments.ts";
import { ArgumentTypeError } from "../errors/persistence_error.ts";
import type {
  DeadLetter,
  EffectPlace,
  OpenEffect,
  OutboxCounts,
  OutboxStore,
} from "../ports/outbox_store.ts";

const PAGE_LETTERS = 100;

/** How long to wait until no effect is open. */
export interface DrainedOptions {
  /**
   * Ends the waiting: it rejects with the signal's reason.
   *
   * @default {undefined} It waits for as long as it takes.
   */
  signal?: AbortSignal;
}

/** Which dead letters are read. */
export interface DeadLetterOptions {
  /**
   * Those of this actor only.
   *
   * @default {undefined} Those of all actors.
   */
  actorId?: string;
}

/** What an outbox needs of who delivers. */
export interface Delivering {
  /** Resolves when no effect is open. */
  drained(signal: AbortSignal | undefined): Promise<void>;
  /** Effects can be delivered. */
  add(effects: readonly OpenEffect[]): void;
}

/**
 * The effects of the actors of a kind that have not been delivered.
 *
 * @example What was given up, once more
 * ```ts
 * import { eventSourced, StatefulActors } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * let isDown = true;
 * await using carts = StatefulActors.start({
 *   provider,
 *   kind: "cart",
 *   behavior: eventSourced({
 *     initialState: 0,
 *     handle: (_items: number, sku: string) => ({ events: [sku], effects: [{ reserve: sku }] }),
 *     apply: (items: number, _sku: string) => items + 1,
 *   }),
 *   outbox: {
 *     maxAttempts: 1,
 *     deliver: ({ reserve }) => {
 *       if (isDown) throw new Error("the warehouse does not answer");
 *       console.log("reserved", reserve);
 *     },
 *   },
 *   onProblem: () => {},
 * });
 * await carts.tell("42", "tea");
 * await carts.outbox.drained();
 * isDown = false;
 * for await (const letter of carts.outbox.deadLetters()) await carts.outbox.retry(letter);
 * await carts.outbox.drained(); // reserved tea
 * ```
 */
export class Outbox {
  readonly #store: OutboxStore;
  readonly #delivering: Delivering | undefined;

  /**
   * For actors.
   *
   * @param store Where the effects are.
   * @param delivering Who delivers them, if somebody does.
   */
  constructor(store: OutboxStore, delivering: Delivering | undefined) {
    this.#store = store;
    this.#delivering = delivering;
  }

  /**
   * Counts what is stored, of all actors of the kind.
   *
   * @returns How many effects are open, and how many were given up.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  async counts(): Promise<OutboxCounts> {
    return await this.#store.counts();
  }

  /**
   * Waits until no effect is open: each has been delivered, and that is stored, or was given up. The
   * process stays alive meanwhile.
   *
   * @param options Signal: ends the waiting with its reason.
   * @returns When none is open. At once if the actors have no outbox, or have been stopped.
   * @throws {PersistenceError} `DEADLOCK` if `deliver` of the same outbox calls it.
   * @throws {unknown} The signal's reason after an abort.
   */
  drained(options: DrainedOptions = {}): Promise<void> {
    const { signal } = options ?? {};
    try {
      checkOptions(options, "wait for outbox", { signal: true });
      checkSignal(signal, "wait for outbox");
      signal?.throwIfAborted();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#delivering?.drained(signal) ?? Promise.resolve();
  }

  /**
   * Reads what was given up, in the order of actors and decisions, in pages of bounded size.
   *
   * @param options `actorId`: of one actor only.
   * @returns The dead letters. All errors are thrown by the iteration.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the id is bad.
   * @throws {PersistenceError} `CORRUPT`, after all others, if there is one whose key is damaged;
   *   `STORAGE_FAILED`, `CLOSED`.
   */
  async *deadLetters(
    options: DeadLetterOptions = {},
  ): AsyncGenerator<DeadLetter, void, undefined> {
    checkOptions(options, "read dead letters", { actorId: true });
    const { actorId } = options;
    if (actorId !== undefined) checkActorId(actorId, "read dead letters");
    const ofActor = actorId === undefined ? {} : { actorId };
    let damaged: Error | undefined;
    let after: EffectPlace | undefined;
    do {
      const options = { ...ofActor, ...(after && { after }), limit: PAGE_LETTERS };
      const { effects, damage } = await this.#store.deadLetters(options);
      damaged ??= damage;
      yield* effects;
      after = effects[effects.length - 1];
    } while (after);
    if (damaged) throw damaged;
  }

  /**
   * Delivers a dead letter again, from its first attempt on, after what is open of its actor.
   *
   * @param letter The dead letter, or its place.
   * @returns Whether there was one, once that it is open again is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the place is bad.
   * @throws {PersistenceError} `CORRUPT` if it is damaged; `STORAGE_FULL`, `STORAGE_FAILED`,
   *   `REOPEN_REQUIRED`, `CLOSED`.
   */
  async retry(letter: EffectPlace): Promise<boolean> {
    const effect = await this.#store.revive(checkPlace(letter, "retry dead letter"));
    if (!effect) return false;
    this.#delivering?.add([effect]);
    return true;
  }

  /**
   * Drops a dead letter: its effect is never delivered.
   *
   * @param letter The dead letter, or its place.
   * @returns Whether there was one, once it is durably gone.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the place is bad.
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  async drop(letter: EffectPlace): Promise<boolean> {
    return await this.#store.drop(checkPlace(letter, "drop dead letter"));
  }
}

function checkPlace(place: EffectPlace, operation: string): EffectPlace {
  if (typeof place !== "object" || place === null) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: the place must be an object, not ${describeType(place)}`,
    );
  }
  const { actorId, sequenceNumber, index } = place;
  checkActorId(actorId, operation);
  checkInteger(sequenceNumber, "sequenceNumber", -1, Number.MAX_SAFE_INTEGER - 1, operation);
  checkInteger(index, "index", 0, Number.MAX_SAFE_INTEGER, operation);
  return { actorId, sequenceNumber, index };
}
