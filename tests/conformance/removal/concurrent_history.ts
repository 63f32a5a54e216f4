/**
 * Calls of several processes on one actor, all at once, some of which may fail.
 *
 * @module
 */

import assert from "node:assert/strict";
import { recover, type Recovery } from "../../../core/actors/recovery.ts";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { outcomeOf, range } from "../fixture.ts";
import type { Random } from "../random.ts";
import { OF_KIND, storeOf } from "./fixture.ts";

const LONG = "x".repeat(33_000);

/** A call: when it began, and when it ended. */
interface Call {
  readonly begun: number;
  /** `Infinity` before. */
  ended: number;
  /** Whether it was carried out. What fails was not; of a removal it may be that it has begun. */
  isDone: boolean;
}

/** What is known of a message that was appended, or of the number that a journal was to begin at. */
interface Numbered extends Call {
  sequenceNumber: number | undefined;
}

/** Calls of several processes on one actor. */
export class ConcurrentHistory {
  readonly #providers: readonly PersistenceProvider[];
  readonly #random: Random;
  readonly #appended = new Map<string, Numbered>();
  readonly #starts: Numbered[] = [];
  readonly #removals: Call[] = [];
  #now = 0;
  #messages = 0;

  /**
   * @param providers The processes.
   * @param random What decides.
   */
  constructor(providers: readonly PersistenceProvider[], random: Random) {
    this.#providers = providers;
    this.#random = random;
  }

  /**
   * Makes calls, one after the other.
   *
   * @param worker The number of the worker, which decides on the process.
   */
  async work(worker: number): Promise<void> {
    const provider = this.#providers[worker % this.#providers.length] ?? assert.fail();
    const journal = worker % 2 === 0
      ? provider.createMessageJournal<string>(OF_KIND)
      : provider.createBatchedMessageJournal<string>({ ...OF_KIND, maxBatchDelayMs: 1 });
    for (const _ of range(1, 25)) {
      await this.#call(provider, journal);
      for (let turns = this.#random.below(12); turns > 0; turns--) await undefined;
    }
  }

  /** What was appended after the last removal has ended must be there, with the numbers it was given. */
  async check(): Promise<void> {
    const [provider] = this.#providers;
    const journal = provider?.createMessageJournal<string>(OF_KIND) ?? assert.fail();
    const messages = await this.#read(journal);
    for (const [message, appended] of this.#appended) {
      if (!appended.isDone || this.#mayBeRemoved(appended)) continue;
      assert.ok(messages.includes(message), `${message.slice(0, 20)} is lost`);
    }
    const numbered = [...this.#appended.values()].filter(({ isDone }) => isDone);
    for (const start of this.#starts) {
      if (!start.isDone || this.#mayBeRemoved(start)) continue;
      const later = numbered.filter(({ begun }) => begun > start.ended);
      const isBelow = later.some(({ sequenceNumber = 0 }) =>
        sequenceNumber < (start.sequenceNumber ?? 0)
      );
      assert.ok(!isBelow, `the start at ${start.sequenceNumber} is lost`);
    }
  }

  async #call(provider: PersistenceProvider, journal: MessageJournal<string>): Promise<void> {
    switch (this.#random.below(14)) {
      case 0:
        return await this.#remove(provider.deleteActor("a", OF_KIND));
      case 1:
        return await this.#remove(provider.eraseActor("a", OF_KIND));
      case 2:
        return await mayFail(provider.createSnapshotStore(OF_KIND).saveSnapshot("a", "x", 1));
      case 3:
        return await mayFail(provider.createConsumerRegistry(OF_KIND).register("a", "reader", 1));
      case 4:
        return await mayFail(storeOf(provider).writeMarks("a", { handled: 1, refused: [0, 1] }));
      case 5:
        return await this.#recover(journal);
      case 6:
      case 7:
        await this.#read(journal);
        return;
      case 8:
        return await this.#startAt(journal);
      default:
        await Promise.all(range(0, this.#random.below(3)).map(() => this.#append(journal)));
    }
  }

  async #remove(removal: Promise<void>): Promise<void> {
    const call = this.#begin();
    this.#removals.push(call);
    await this.#end(call, removal);
  }

  async #startAt(journal: MessageJournal<string>): Promise<void> {
    const sequenceNumber = this.#random.below(200);
    const start = { ...this.#begin(), sequenceNumber };
    this.#starts.push(start);
    await this.#end(start, journal.startAt("a", sequenceNumber));
  }

  async #append(journal: MessageJournal<string>): Promise<void> {
    const long = this.#random.below(4) === 0 ? LONG : "";
    const message = `${this.#messages++} ${long}`;
    const appended: Numbered = { ...this.#begin(), sequenceNumber: undefined };
    this.#appended.set(message, appended);
    const append = async () => {
      appended.sequenceNumber = await journal.append("a", message);
    };
    await this.#end(appended, append());
  }

  #begin(): Call {
    return { begun: this.#now++, ended: Infinity, isDone: false };
  }

  async #end(call: Call, result: Promise<unknown>): Promise<void> {
    const outcome = await outcomeOf(result.then(() => "done"));
    call.isDone = outcome === "done";
    call.ended = this.#now++;
    assert.ok(["done", "STORAGE_FAILED", "CONFLICT"].includes(String(outcome)), String(outcome));
  }

  /** Whether a removal had not ended when a call began. */
  #mayBeRemoved({ begun }: Call): boolean {
    return this.#removals.some(({ ended }) => ended > begun);
  }

  /** Asserts that what is read are messages of one journal, each with its own number. */
  async #read(journal: MessageJournal<string>): Promise<string[]> {
    const reverse = this.#random.below(2) === 0;
    const slice = await outcomeOf(journal.read("a", { reverse })) as
      | Awaited<ReturnType<typeof journal.read>>
      | string;
    if (typeof slice === "string") {
      assert.equal(slice, "TRUNCATED");
      return [];
    }
    const entries = reverse ? slice.entries.toReversed() : slice.entries;
    assert.deepEqual(
      entries.map(({ sequenceNumber }) => sequenceNumber),
      range(slice.lowest, slice.highest),
    );
    this.#assertOneJournal(entries);
    return entries.map(({ message }) => message);
  }

  async #recover(journal: MessageJournal<string>): Promise<void> {
    const recovered = await outcomeOf(recover<JournalEntry<string>[], string>({
      journal,
      actorId: "a",
      initialState: [],
      apply: (state, _, entry) => [...state, entry],
    })) as Recovery<JournalEntry<string>[]> | string;
    // It tries again, but not for ever.
    if (typeof recovered === "string") {
      return assert.ok(["TRUNCATED", "RECOVERY_FAILED"].includes(recovered), recovered);
    }
    this.#assertOneJournal(recovered.state);
    const last = recovered.state[recovered.state.length - 1];
    assert.equal(last?.sequenceNumber ?? recovered.sequenceNumber, recovered.sequenceNumber);
  }

  #assertOneJournal(entries: readonly JournalEntry<string>[]): void {
    let firstEnded = Infinity;
    let lastBegun = -1;
    for (const { sequenceNumber, message } of entries) {
      const appended = this.#appended.get(message) ?? assert.fail("nobody has appended it");
      assert.equal(sequenceNumber, appended.sequenceNumber ?? sequenceNumber);
      assert.ok(appended.isDone || appended.ended === Infinity, "it was refused");
      firstEnded = Math.min(firstEnded, appended.ended);
      lastBegun = Math.max(lastBegun, appended.begun);
    }
    const between = this.#removals.some(({ isDone, begun, ended }) =>
      isDone && firstEnded < begun && ended < lastBegun
    );
    assert.ok(!between, "messages of two journals at once");
  }
}

/** A call of which nothing is known if the storage fails. */
async function mayFail(result: Promise<unknown>): Promise<void> {
  const outcome = await outcomeOf(result.then(() => "done"));
  assert.ok(["done", "STORAGE_FAILED"].includes(String(outcome)), String(outcome));
}
