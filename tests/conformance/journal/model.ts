/**
 * A model of journals that is simple enough to be right, and the random calls that a journal must
 * answer like it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { SequenceNumberExpectation } from "../../../core/ports/journal_options.ts";
import { outcomeOf, range } from "../fixture.ts";
import { messagesOf, replayedOf } from "./fixture.ts";
import type { Random } from "../random.ts";

/** What is known of one actor. */
interface ModelActor {
  next: number;
  first: number;
  origin: number;
  /** By sequence number. */
  readonly messages: unknown[];
}

/** The journals of actors, without concurrency. */
export class JournalModel {
  readonly #actors = new Map<string, ModelActor>();

  /** What `append` resolves to. */
  append(
    actorId: string,
    message: unknown,
    expected: SequenceNumberExpectation | undefined,
  ): number | "CONFLICT" {
    const numbers = this.appendBatch(actorId, [message], expected);
    return numbers === "CONFLICT" ? numbers : numbers[0] ?? assert.fail();
  }

  /** What `appendBatch` resolves to. */
  appendBatch(
    actorId: string,
    messages: readonly unknown[],
    expected: SequenceNumberExpectation | undefined,
  ): number[] | "CONFLICT" {
    if (messages.length === 0) return [];
    const actor = this.#actor(actorId);
    if (!isMet(expected, actor)) return "CONFLICT";
    for (const message of messages) actor.messages[actor.next++] = message;
    return range(actor.next - messages.length, actor.next - 1);
  }

  /** What `truncateBefore` does. */
  truncateBefore(actorId: string, before: number): undefined {
    const actor = this.#actor(actorId);
    actor.first = Math.max(actor.first, Math.min(before, actor.next));
  }

  /** What `startAt` resolves to. */
  startAt(actorId: string, sequenceNumber: number): undefined | "CONFLICT" {
    const actor = this.#actor(actorId);
    if (actor.first < actor.next || sequenceNumber < actor.next) return "CONFLICT";
    actor.next = sequenceNumber;
    actor.first = sequenceNumber;
    actor.origin = sequenceNumber;
    return undefined;
  }

  /** The number that the next append gets. */
  next(actorId: string): number {
    return this.#actor(actorId).next;
  }

  /** Asserts that a journal holds what the model holds. */
  async assertSame(journal: MessageJournal<unknown>): Promise<void> {
    for (const [actorId, { first, next, origin, messages }] of this.#actors) {
      assert.deepEqual(await messagesOf(journal, actorId), messages.slice(first), actorId);
      assert.deepEqual(await replayedOf(journal, 0, {}, actorId), range(first, next - 1), actorId);
      assert.equal(await journal.getHighestSequenceNumber(actorId), next - 1, actorId);
      const { lowest, highest, ...slice } = await journal.read(actorId, { limit: 0 });
      assert.deepEqual([lowest, highest, slice.origin], [first, next - 1, origin], actorId);
    }
  }

  #actor(actorId: string): ModelActor {
    let actor = this.#actors.get(actorId);
    if (!actor) {
      actor = { next: 0, first: 0, origin: 0, messages: [] };
      this.#actors.set(actorId, actor);
    }
    return actor;
  }
}

function isMet(
  expected: SequenceNumberExpectation | undefined,
  { next, first, origin }: ModelActor,
): boolean {
  if (expected === "exists") return next > origin;
  if (expected === "empty") return next === first;
  return expected === undefined || expected === next;
}

/** Calls that were made on journals, and what the model says that they resolve to. */
export class RandomCalls {
  readonly #journals: readonly MessageJournal<unknown>[];
  readonly #random: Random;
  readonly #model: JournalModel;
  readonly #outcomes: Promise<unknown>[] = [];
  readonly #expected: unknown[] = [];
  #messages = 0;

  /**
   * @param journals What is called.
   * @param random What decides.
   * @param model What answers rightly.
   */
  constructor(
    journals: readonly MessageJournal<unknown>[],
    random: Random,
    model: JournalModel,
  ) {
    this.#journals = journals;
    this.#random = random;
    this.#model = model;
  }

  /** Makes one call, without waiting for it. */
  make(): void {
    const journal = this.#journals[this.#random.below(this.#journals.length)];
    const actorId = `actor ${this.#random.below(5)}`;
    if (!journal) return;
    switch (this.#random.below(9)) {
      case 0:
        return this.#truncate(journal, actorId);
      case 8:
        return this.#startAt(journal, actorId);
      case 1:
      case 2:
        return this.#appendBatch(journal, actorId);
      case 3:
        return this.#expect(journal.append(actorId, () => {}), "UNENCODABLE");
      default:
        return this.#append(journal, actorId);
    }
  }

  /** Resolves when every call has settled, after a check of what it settled with. */
  async settle(): Promise<void> {
    assert.deepEqual(await Promise.all(this.#outcomes), this.#expected);
  }

  #append(journal: MessageJournal<unknown>, actorId: string): void {
    const message = this.#nextMessage();
    const expected = this.#expectation(actorId);
    const some = expected === undefined ? {} : { expectedSequenceNumber: expected };
    this.#expect(
      journal.append(actorId, message, some),
      this.#model.append(actorId, message, expected),
    );
  }

  #appendBatch(journal: MessageJournal<unknown>, actorId: string): void {
    const messages = range(1, this.#random.below(10)).map(() => this.#nextMessage());
    const expected = this.#expectation(actorId);
    const some = expected === undefined ? {} : { expectedSequenceNumber: expected };
    this.#expect(
      journal.appendBatch(actorId, messages, some),
      this.#model.appendBatch(actorId, messages, expected),
    );
  }

  #startAt(journal: MessageJournal<unknown>, actorId: string): void {
    if (this.#random.below(2) === 0) this.#truncateTo(journal, actorId, this.#model.next(actorId));
    const sequenceNumber = Math.max(0, this.#model.next(actorId) - 2 + this.#random.below(7));
    this.#expect(
      journal.startAt(actorId, sequenceNumber),
      this.#model.startAt(actorId, sequenceNumber),
    );
  }

  #truncate(journal: MessageJournal<unknown>, actorId: string): void {
    const before = Math.max(0, this.#model.next(actorId) - 10 + this.#random.below(15));
    this.#truncateTo(journal, actorId, before);
  }

  #truncateTo(journal: MessageJournal<unknown>, actorId: string, before: number): void {
    this.#expect(
      journal.truncateBefore(actorId, before),
      this.#model.truncateBefore(actorId, before),
    );
  }

  /** Some are too long for the tail of a journal, so that others become records of their own. */
  #nextMessage(): string {
    const message = `message ${this.#messages++}`;
    return this.#random.below(4) === 0 ? message.padEnd(this.#random.below(1_500), ".") : message;
  }

  #expect(call: Promise<unknown>, outcome: unknown): void {
    this.#outcomes.push(outcomeOf(call));
    this.#expected.push(outcome);
  }

  #expectation(actorId: string): SequenceNumberExpectation | undefined {
    const next = this.#model.next(actorId);
    switch (this.#random.below(8)) {
      case 6:
        return "exists";
      case 7:
        return "empty";
      case 0:
        return next;
      case 1:
        return Math.max(0, next - 2 + this.#random.below(5));
      default:
        return undefined;
    }
  }
}
