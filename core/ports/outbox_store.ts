/**
 * Where the effects of actors are stored until they have been delivered. They are written in the
 * commit of the events that they were decided with, so they are there or not, as those are; and apart
 * from journals, so they can be found and delivered without their actors.
 *
 * @module
 */

/**
 * Which effect is meant: the sequence number of the entry that it was decided with, and its index
 * among the effects of that entry. An effect that was decided without an entry has the number of the
 * last one before it, and an index that is larger than those of all others with that number.
 */
export interface EffectPlace {
  /** The actor that decided on the effect. */
  readonly actorId: string;
  /**
   * The sequence number of the entry that it was decided with, or of the last one before it: an
   * integer of at least 0, or -1 if it was decided before the first entry.
   */
  readonly sequenceNumber: number;
  /** Its index: an integer from 0 to 2^53 - 1. */
  readonly index: number;
}

/** An effect that has not been delivered, without its content. */
export interface OpenEffect extends EffectPlace {
  /** When it was decided. */
  readonly timestamp: Date;
  /** How many attempts have failed. */
  readonly attempts: number;
  /** Not before this time is the next attempt due. */
  readonly dueAt: Date;
  /** How many bytes its content has, encoded. */
  readonly bytes: number;
}

/** What an effect contains. */
export interface EffectContent {
  /**
   * The effect. It is decoded from what was stored each time that it is asked for, so each time it is
   * a copy. Reading it throws `CORRUPT` if that is damaged.
   */
  readonly effect: unknown;
}

/** An effect that was given up. */
export interface DeadLetter extends OpenEffect, EffectContent {
  /**
   * The same for each attempt, and different from that of every other effect: the actor's id, the
   * sequence number and the index, joined by slashes.
   */
  readonly id: string;
  /** What the last attempt failed with. */
  readonly lastError: string;
}

/** Effects that were read. */
export interface EffectPage<Effect> {
  /** The effects, in order. If there are none, there are no more. */
  readonly effects: readonly Effect[];
  /** Among them stand some whose keys are damaged, so that nobody can tell whose they are. */
  readonly damage: Error | undefined;
}

/** How many effects of a kind are stored. */
export interface OutboxCounts {
  /** Those that are still to be delivered. */
  readonly open: number;
  /** Those that were given up. */
  readonly dead: number;
}

/** The effects of the actors of a kind. */
export interface OutboxStore {
  /**
   * Reads open effects in the order of actors, and of decisions within an actor. One that is damaged
   * is among them.
   *
   * @param options Of one actor only; those after a place; at most how many (at least 1).
   * @returns A page of them.
   * @throws {PersistenceError} `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  open(
    options: { actorId?: string; after?: EffectPlace; limit: number },
  ): Promise<EffectPage<OpenEffect>>;

  /**
   * Reads what an open effect contains.
   *
   * @param place Which one.
   * @returns Its content; `undefined` if it is no longer open, or its actor was deleted.
   * @throws {PersistenceError} `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  content(place: EffectPlace): Promise<EffectContent | undefined>;

  /**
   * Effects were delivered: they are removed. A full storage does it all the same.
   *
   * @param places Which ones.
   * @returns When that is durable.
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `READ_ONLY`, `CLOSED`.
   */
  confirm(places: readonly EffectPlace[]): Promise<void>;

  /**
   * An attempt failed: remembers how many have, and when the next one is due. It has no effect on an
   * effect that is no longer open.
   *
   * @param effect The effect.
   * @param attempts How many attempts have failed.
   * @param dueAt When the next one is due.
   * @returns When that is durable.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  postpone(effect: EffectPlace, attempts: number, dueAt: Date): Promise<void>;

  /**
   * Gives an effect up: it becomes a dead letter, in one commit; if it is damaged, one without an
   * effect.
   *
   * @param effect The effect.
   * @param attempts How many attempts have failed.
   * @param lastError What the last one failed with. It is cut after 1,000 code units.
   * @returns When that is durable.
   * @throws {PersistenceError} `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  bury(effect: EffectPlace, attempts: number, lastError: string): Promise<void>;

  /**
   * Reads dead letters in the order of actors, and of decisions within an actor. One that is damaged
   * is among them: reading the effect itself throws.
   *
   * @param options Of one actor only; those after a place; at most how many (at least 1). There may
   *   be fewer in a page, so that it does not have too many bytes.
   * @returns A page of them.
   * @throws {PersistenceError} `UNSUPPORTED_FORMAT`, `STORAGE_FAILED`, `CLOSED`.
   */
  deadLetters(
    options: { actorId?: string; after?: EffectPlace; limit: number },
  ): Promise<EffectPage<DeadLetter>>;

  /**
   * Makes a dead letter an open effect again, with no failed attempt, in one commit.
   *
   * @param place Which one.
   * @returns The effect, once that is durable; `undefined` if there is no such dead letter.
   * @throws {PersistenceError} `CORRUPT` if it is damaged; `STORAGE_FULL`, `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  revive(place: EffectPlace): Promise<OpenEffect | undefined>;

  /**
   * Removes a dead letter.
   *
   * @param place Which one.
   * @returns Whether there was one, once that is durable.
   * @throws {PersistenceError} `STORAGE_FAILED`, `REOPEN_REQUIRED`, `CLOSED`.
   */
  drop(place: EffectPlace): Promise<boolean>;

  /**
   * Counts what is stored.
   *
   * @returns The counts. It reads keys only, in pages.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CLOSED`.
   */
  counts(): Promise<OutboxCounts>;
}
