import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import type { Random } from "../../conformance/random.ts";

/** A message that says what it is, and how long. */
interface Message {
  readonly actorId: string;
  /** Its number among the messages of its actor that were ever appended. */
  readonly index: number;
  readonly padding: string;
}

/** What an append came to. */
interface Attempt {
  readonly actorId: string;
  readonly indexes: readonly number[];
  outcome: number | string;
}

/** Messages per batch, and characters per message, at the most. */
const MAX_BATCH = 5;
const MAX_PADDING = 3_000;
const ACTORS = ["a", "b", "c"];

/** Appends to journals that may fail, keeps count of what was acknowledged, and compares. */
export class CheckedJournals {
  /** What did not hold. */
  readonly problems: string[] = [];
  /** How many messages were acknowledged. */
  acknowledged = 0;

  readonly #random: Random;
  readonly #options: LmdbProviderOptions;
  readonly #attempts: Attempt[] = [];
  readonly #indexes = new Map<string, number>();
  #provider: LmdbPersistenceProvider;
  #journal: MessageJournal<Message>;

  private constructor(
    provider: LmdbPersistenceProvider,
    options: LmdbProviderOptions,
    random: Random,
  ) {
    this.#provider = provider;
    this.#journal = provider.createMessageJournal();
    this.#options = options;
    this.#random = random;
  }

  static async open(options: LmdbProviderOptions, random: Random): Promise<CheckedJournals> {
    return new CheckedJournals(await LmdbPersistenceProvider.open(options), options, random);
  }

  /** The provider that is open. */
  get provider(): LmdbPersistenceProvider {
    return this.#provider;
  }

  /** Closes the provider and opens it again. */
  async reopen(): Promise<void> {
    await this.close();
    this.#provider = await LmdbPersistenceProvider.open(this.#options);
    this.#journal = this.#provider.createMessageJournal();
  }

  async close(): Promise<void> {
    await this.#provider.close();
  }

  /**
   * Appends a message or a batch.
   *
   * @param padding How long the messages are. Default: any length.
   * @returns `"ok"`, or the code of the error.
   */
  async append(padding?: number): Promise<string> {
    const actorId = ACTORS[this.#random.below(ACTORS.length)] ?? "a";
    const count = padding === undefined ? 1 + this.#random.below(MAX_BATCH) : 1;
    const next = this.#indexes.get(actorId) ?? 0;
    this.#indexes.set(actorId, next + count);
    const attempt: Attempt = {
      actorId,
      indexes: Array.from({ length: count }, (_, offset) => next + offset),
      outcome: "none",
    };
    this.#attempts.push(attempt);
    const messages = attempt.indexes.map((index) => ({
      actorId,
      index,
      padding: "x".repeat(padding ?? this.#random.below(MAX_PADDING)),
    }));
    try {
      const [first = -1] = await this.#journal.appendBatch(actorId, messages);
      attempt.outcome = first;
      this.acknowledged += count;
      return "ok";
    } catch (error) {
      attempt.outcome = this.codeOf(error);
      return attempt.outcome;
    }
  }

  /** Appends several at once. Gives the outcomes. */
  async appendMany(count: number): Promise<string[]> {
    return await Promise.all(Array.from({ length: count }, () => this.append()));
  }

  /** Removes most of what is there. */
  async truncate(): Promise<void> {
    for (const actorId of ACTORS) {
      const highest = await this.#journal.getHighestSequenceNumber(actorId);
      if (highest > 2) await this.#journal.truncateBefore(actorId, highest - 2);
    }
  }

  /** Notes where something is not as it should be. */
  expect(isRight: boolean, problem: string): void {
    if (!isRight) this.problems.push(problem);
  }

  /** Reads everything, and compares it with what was said. */
  async check(when: string): Promise<void> {
    for (const actorId of ACTORS) {
      const entries = await this.#journal.readFrom(actorId, 0);
      this.#checkEntries(actorId, entries, when);
    }
  }

  #checkEntries(actorId: string, entries: readonly JournalEntry<Message>[], when: string): void {
    const first = entries[0]?.sequenceNumber ?? 0;
    const stored = new Map<number, number>();
    entries.forEach(({ sequenceNumber, message }, offset) => {
      this.expect(sequenceNumber === first + offset, `${when}: a hole at ${sequenceNumber}`);
      this.expect(message.actorId === actorId, `${when}: a message of another actor`);
      this.expect(!stored.has(message.index), `${when}: message ${message.index} is there twice`);
      stored.set(message.index, sequenceNumber);
    });
    for (const attempt of this.#attempts) {
      if (attempt.actorId === actorId) this.#checkAttempt(attempt, stored, first, when);
    }
  }

  #checkAttempt(
    { actorId, indexes, outcome }: Attempt,
    stored: ReadonlyMap<number, number>,
    first: number,
    when: string,
  ): void {
    const places = indexes.map((index) => stored.get(index));
    const there = places.filter((place) => place !== undefined).length;
    const name = `${when}: ${actorId} ${indexes[0]} (${outcome})`;
    if (typeof outcome === "number") {
      const isThere = places.every((place, offset) =>
        outcome + offset < first || place === outcome + offset
      );
      this.expect(isThere, `${name} was acknowledged and stands at ${places}`);
    } else if (outcome === "REOPEN_REQUIRED") {
      this.expect(there === 0 || there === indexes.length, `${name} is there in part`);
    } else {
      this.expect(there === 0, `${name} was rejected and is there`);
    }
  }

  /** The code of an error; one without a code is a problem. */
  codeOf(error: unknown): string {
    if (error instanceof PersistenceError) return error.code;
    const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.problems.push(`an error without code: ${name}`);
    return name;
  }
}
