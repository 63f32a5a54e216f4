/**
 * What was promised of one actor, beside what is found of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { JournalEntry } from "../../../core/ports/journal.ts";
import type { Removal } from "./history.ts";
import {
  AS_SENT,
  type Effect,
  type Event,
  isThing,
  type Message,
  type State,
  type Thing,
} from "./behaviors.ts";

/** What is known of a message. */
export type Fate =
  /** It has not been answered. */
  | "open"
  /** It is durable. */
  | "there"
  /** It has not taken effect, and will not. */
  | "not there"
  /** The actor was stopped, or the caller gave it up. */
  | "unknown";

/** A message that was sent. */
export interface Call {
  /** The number of the message. */
  readonly n: number;
  /** The numbers that it adds to the log. */
  readonly numbers: readonly number[];
  /** Whether it must be refused. */
  readonly isRefused: boolean;
  /** The number of its effect, if it has one. */
  readonly effect: number | undefined;
  fate: Fate;
  reply: State | undefined;
}

/** An attempt to deliver an effect. */
interface Attempt {
  readonly n: number;
  readonly id: string;
  /** Those who deliver: effects that they have delivered they must not deliver again. */
  readonly deliverer: object;
  isDone: boolean;
}

/** What was found of an actor. */
export interface Found {
  readonly state: State;
  /** What is in its journal. */
  readonly entries: readonly JournalEntry<Event | Message>[];
  /** The number that the next entry gets. */
  readonly next: number;
}

/** What was promised of an actor before it was removed. */
interface Past {
  readonly base: readonly number[];
  readonly calls: readonly Call[];
}

/** What was promised of an actor. */
export class Ledger {
  readonly #name: string;
  /** Whether it journals events: then entries and changes are the same. */
  readonly #hasEvents: boolean;
  /** The numbers that were there at the last look, in order. */
  #base: readonly number[] = [];
  /** The number of its first entry: not 0 if it was erased. */
  #first = 0;
  #calls: Call[] = [];
  /** The calls since the last look. */
  #recent: Call[] = [];
  /** The numbers that another process has added. */
  readonly #ofRivals = new Map<number, Call>();
  readonly #effects = new Map<number, { readonly call: Call; last?: Thing | undefined }>();
  #attempts: Attempt[] = [];
  /** It is being removed, or that has failed or was interrupted: it may have taken effect. */
  #removal: Removal | undefined;
  /** Effects that went with the actor. */
  readonly #removedEffects = new Set<number>();
  /** Effects of which nobody knows whether they went with the actor. */
  readonly #doubtful = new Set<number>();
  readonly #past: Past[] = [];

  constructor(name: string, hasEvents: boolean) {
    this.#name = name;
    this.#hasEvents = hasEvents;
  }

  /** The numbers that were there at the last look. */
  get log(): readonly number[] {
    return this.#base;
  }

  /** A message is sent. */
  sent(call: Call): void {
    this.#calls.push(call);
    this.#recent.push(call);
    if (call.effect !== undefined) this.#effects.set(call.effect, { call });
  }

  /** Another process sends a message. */
  sentByRival(call: Call): void {
    for (const n of call.numbers) this.#ofRivals.set(n, call);
  }

  /** The actor is to be removed. Nothing is sent to it until that has been found out about. */
  removing(mode: Removal): void {
    this.#removal = mode;
  }

  /** The actor has been removed. */
  removed(next: number): void {
    const first = this.#removal === "erase" ? next : 0;
    this.#removal = undefined;
    this.#compareAttempts();
    this.#past.push({ base: this.#base, calls: this.#calls });
    for (const n of this.#effects.keys()) this.#removedEffects.add(n);
    this.#base = [];
    this.#first = first;
    this.#calls = [];
    this.#recent = [];
    this.#ofRivals.clear();
    this.#effects.clear();
    this.#attempts = [];
  }

  /** An attempt to deliver an effect begins. The result says that it succeeds. */
  delivering({ n, last }: Effect, id: string, deliverer: object): () => void {
    assert.ok(!this.#removedEffects.has(n), `${this.#name}: effect ${n} went with the actor`);
    if (this.#doubtful.has(n)) return () => {};
    const effect = this.#effects.get(n);
    assert.ok(effect, `${this.#name}: effect ${n} was decided by one of its messages`);
    if (this.#attempts.some((attempt) => attempt.n === n)) {
      assert.deepEqual(effect.last, last, `effect ${n} is always the same`);
    }
    effect.last = last;
    for (const earlier of this.#attempts) {
      if (earlier.n !== n) continue;
      assert.equal(earlier.id, id, "the id of an effect is always the same");
      const isAgain = earlier.isDone && earlier.deliverer === deliverer;
      assert.ok(!isAgain, `${this.#name}: effect ${n} was delivered, and is not delivered again`);
    }
    const attempt: Attempt = { n, id, deliverer, isDone: false };
    this.#attempts.push(attempt);
    return () => (attempt.isDone = true);
  }

  /** Compares what is there with what was promised: at a moment when nobody writes. */
  compare({ state, entries, next }: Found): void {
    const { log } = state;
    if (this.#removal) this.#findOut(log, entries, next);
    this.#compareNumbers(log);
    assert.deepEqual(state.things, thingsAfter(log), "the state follows from the log");
    this.#compareEntries(log, entries);
    assert.ok(next >= this.#first, `${this.#name}: the numbering goes on`);
    if (this.#hasEvents) assert.equal(next, this.#first + log.length, `${this.#name}: numbers`);
    this.#base = [...log];
    this.#recent = [];
  }

  /** Compares all answers and deliveries with what is there in the end. */
  compareAll(): void {
    for (const past of [...this.#past, { base: this.#base, calls: this.#calls }]) {
      this.#compareAnswers(past);
    }
    this.#compareAttempts();
    this.#compareEffects();
  }

  #compareAnswers({ base, calls }: Past): void {
    for (const { reply, numbers } of calls) {
      if (reply === undefined) continue;
      const { log, things } = reply;
      const before = base.slice(0, log.length);
      assert.deepEqual(log, before, `${this.#name}: an answer is a state that was there`);
      assert.deepEqual(things, thingsAfter(log), "and follows from what was there");
      const own = log.slice(log.length - numbers.length);
      assert.deepEqual(own, numbers, "and ends with what it is the answer to");
    }
  }

  /** Whether a removal that was not acknowledged has taken effect: wholly, or not at all. */
  #findOut(log: readonly number[], entries: Found["entries"], next: number): void {
    const isErased = this.#removal === "erase";
    if (log.length === 0 && entries.length === 0 && (isErased || next === 0)) {
      // If there were no changes, it looks the same as before: its effects may be there or not.
      const rest = this.#base.length === 0 ? [...this.#effects] : [];
      this.removed(next);
      for (const [n] of rest) this.#removedEffects.delete(n);
      for (const [n] of rest) this.#doubtful.add(n);
    }
    this.#removal = undefined;
  }

  #compareNumbers(log: readonly number[]): void {
    const { length } = this.#base;
    assert.deepEqual(log.slice(0, length), this.#base, `${this.#name}: what was there stays`);
    const found = log.slice(length);
    for (const [n, { fate }] of this.#ofRivals) {
      const isThere = found.includes(n) || this.#base.includes(n);
      if (fate === "there") assert.ok(isThere, `${this.#name}: rival ${n} was acknowledged`);
    }
    let rest = found.filter((n) => !this.#ofRivals.has(n));
    let isLost = false;
    for (const { numbers, fate, isRefused } of this.#recent) {
      if (numbers.length === 0) continue;
      const isThere = numbers.every((n, index) => rest[index] === n);
      const what = `${this.#name}: ${numbers} in ${found}`;
      if (isRefused) assert.ok(!isThere, `${what}: it must be refused`);
      else if (fate === "there") assert.ok(isThere, `${what}: it was acknowledged`);
      else if (fate === "not there") assert.ok(!isThere, `${what}: it was rejected`);
      else if (fate === "open") {
        assert.ok(!(isThere && isLost), `${what}: nothing after a lost message is there`);
        isLost ||= !isThere;
      }
      if (isThere) rest = rest.slice(numbers.length);
    }
    assert.deepEqual(rest, [], `${this.#name}: nothing else is there`);
  }

  /** What is journaled is what was decided, whatever became of the objects later. */
  #compareEntries(log: readonly number[], entries: Found["entries"]): void {
    let next = entries[0]?.sequenceNumber ?? 0;
    for (const { sequenceNumber, message, metadata } of entries) {
      const what = `${this.#name}: entry ${sequenceNumber}`;
      assert.equal(sequenceNumber, next++, "entries are dense");
      assert.equal(message.note.text, AS_SENT, `${what} is as it was decided`);
      const sent = this.#calls.find(({ n }) => n === metadata?.["sent"]);
      const isOwn = sent?.n === message.n || sent?.numbers.includes(message.n);
      assert.ok(isOwn || this.#ofRivals.has(message.n), `${what} has the metadata of its message`);
      const things = "things" in message ? message.things : message.thing ? [message.thing] : [];
      for (const { bumps } of things) assert.equal(bumps, 0, `${what} is as it was decided`);
      if (this.#hasEvents) assert.equal(message.n, log[sequenceNumber - this.#first], what);
    }
    if (this.#hasEvents && entries.length > 0) assert.equal(next, this.#first + log.length);
  }

  /** Effects are of messages that are there, and came in order. */
  #compareAttempts(): void {
    const durable = new Set(this.#base);
    const done = new Set<number>();
    const wanted = [...this.#effects.keys()].sort((a, b) => a - b);
    for (const attempt of this.#attempts) {
      const { n } = attempt;
      const { call } = this.#effects.get(n) ?? {};
      const mayBe = call && !call.isRefused && call.fate !== "not there" &&
        (call.numbers.length === 0 || durable.has(n));
      assert.ok(mayBe, `${this.#name}: effect ${n} of a message that is not there`);
      for (const earlier of wanted) {
        if (earlier >= n) break;
        const isWanted = durable.has(earlier) ||
          this.#attempts.some((other) => other.n === earlier && other.isDone);
        if (isWanted) assert.ok(done.has(earlier), `${this.#name}: ${n} came before ${earlier}`);
      }
      if (attempt.isDone) done.add(n);
    }
  }

  /** Each effect was delivered, as it was decided. */
  #compareEffects(): void {
    const durable = new Set(this.#base);
    const done = new Set(this.#attempts.filter(({ isDone }) => isDone).map(({ n }) => n));
    for (const [n, { call, last }] of this.#effects) {
      const mustBe = durable.has(n) || (call.numbers.length === 0 && call.fate === "there");
      if (mustBe) assert.ok(done.has(n), `${this.#name}: effect ${n} was not delivered`);
      if (!durable.has(n) || !done.has(n)) continue;
      const index = this.#base.indexOf(n);
      const wasLast = thingsAfter(this.#base.slice(0, index)).at(-1);
      // A command is handled, and changes the state, before its effects are taken.
      const decidedAt = thingsAfter(this.#base.slice(0, this.#hasEvents ? index : index + 1));
      const expected = decidedAt.find(({ n }) => n === wasLast?.n);
      assert.deepEqual(last, expected, `${this.#name}: effect ${n} is as it was decided`);
    }
  }
}

/** What the changes lead to. */
function thingsAfter(log: readonly number[]): Thing[] {
  const things: Thing[] = [];
  for (const n of log) {
    const last = things.at(-1);
    if (isThing(n)) things.push({ n, bumps: 0 });
    else if (last) last.bumps++;
  }
  return things;
}
