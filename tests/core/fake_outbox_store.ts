import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type {
  DeadLetter,
  EffectContent,
  EffectPage,
  EffectPlace,
  OpenEffect,
  OutboxCounts,
  OutboxStore,
} from "../../core/ports/outbox_store.ts";

/** An effect of the test: which one it is among those of its actor. */
export interface TestEffect {
  readonly actorId: string;
  readonly number: number;
}

interface Stored {
  readonly place: EffectPlace;
  readonly timestamp: Date;
  attempts: number;
  dueAt: Date;
  lastError: string;
}

/** What is called on an outbox store. */
export type OutboxCall = "open" | "content" | "confirm" | "postpone" | "bury";

/** An outbox in memory that fails and waits as a test wants it. */
export class FakeOutboxStore implements OutboxStore {
  /** What was called, in order. */
  readonly calls: OutboxCall[] = [];
  /** Called before each call takes effect: what it throws, or its promise rejects with, fails it. */
  before: (call: OutboxCall) => void | Promise<void> = () => {};
  /** Called after each call has taken effect, before it answers. */
  after: (call: OutboxCall) => void | Promise<void> = () => {};
  /** How many bytes each effect has. */
  bytes = 1;
  /** What is said of damaged keys. */
  damage: Error | undefined;
  /** The effects that were handed out, to see which of them are held. */
  readonly handedOut: WeakRef<OpenEffect>[] = [];

  readonly #open = new Map<string, Stored>();
  /** What was open lately, in order. */
  #sorted: Stored[] = [];
  #dead: Stored[] = [];

  /** The ids of what is open, in order. */
  get openIds(): string[] {
    return this.#openInOrder().map(({ place }) => idOf(place));
  }

  /** The ids of what was given up, in order. */
  get deadIds(): string[] {
    return this.#dead.map(({ place }) => idOf(place));
  }

  /** Stores effects of an actor, as its commits do, and returns them. */
  decide(
    actorId: string,
    numbers: readonly number[],
    { attempts = 0, dueAt = new Date(0), decidedAt = new Date(0) }: {
      attempts?: number;
      dueAt?: Date;
      decidedAt?: Date;
    } = {},
  ): OpenEffect[] {
    const decided = numbers.map((number): Stored => {
      const place = { actorId, sequenceNumber: number, index: 0 };
      return { place, timestamp: decidedAt, attempts, dueAt, lastError: "" };
    });
    for (const stored of decided) this.#open.set(idOf(stored.place), stored);
    this.#sorted = [...this.#sorted, ...decided].sort((a, b) => compare(a.place, b.place));
    return decided.map((stored) => this.#handOut(stored));
  }

  async open(
    { actorId, after, limit }: { actorId?: string; after?: EffectPlace; limit: number },
  ): Promise<EffectPage<OpenEffect>> {
    return await this.#call("open", () => {
      const isWanted = ({ place }: Stored) =>
        (actorId === undefined || place.actorId === actorId) &&
        (!after || compare(place, after) > 0);
      const found = this.#openInOrder().filter(isWanted).slice(0, limit);
      return { effects: found.map((stored) => this.#handOut(stored)), damage: this.damage };
    });
  }

  async content(place: EffectPlace): Promise<EffectContent | undefined> {
    return await this.#call("content", () => {
      if (!this.#open.has(idOf(place))) return undefined;
      return { effect: { actorId: place.actorId, number: place.sequenceNumber } };
    });
  }

  /** The actor is deleted. */
  delete(actorId: string): void {
    for (const [id, { place }] of this.#open) if (place.actorId === actorId) this.#open.delete(id);
  }

  async confirm(places: readonly EffectPlace[]): Promise<void> {
    await this.#call("confirm", () => {
      for (const place of places) this.#open.delete(idOf(place));
    });
  }

  async postpone(effect: EffectPlace, attempts: number, dueAt: Date): Promise<void> {
    await this.#call("postpone", () => {
      const stored = this.#open.get(idOf(effect));
      if (stored) Object.assign(stored, { attempts, dueAt });
    });
  }

  async bury(effect: EffectPlace, attempts: number, lastError: string): Promise<void> {
    await this.#call("bury", () => {
      const stored = this.#open.get(idOf(effect));
      if (!stored) return;
      this.#open.delete(idOf(effect));
      this.#dead.push({ ...stored, attempts, lastError });
    });
  }

  deadLetters(): Promise<EffectPage<DeadLetter>> {
    const effects = this.#dead.map((stored) => ({
      ...this.#handOut(stored),
      id: idOf(stored.place),
      lastError: stored.lastError,
      effect: undefined,
    }));
    return Promise.resolve({ effects, damage: undefined });
  }

  revive(effect: EffectPlace): Promise<OpenEffect | undefined> {
    const found = this.#dead.some(({ place }) => idOf(place) === idOf(effect));
    this.#dead = this.#dead.filter(({ place }) => idOf(place) !== idOf(effect));
    const [revived] = found ? this.decide(effect.actorId, [effect.sequenceNumber]) : [];
    return Promise.resolve(revived);
  }

  drop(): Promise<boolean> {
    return Promise.reject(new Error("the dispatcher drops nothing"));
  }

  counts(): Promise<OutboxCounts> {
    return Promise.resolve({ open: this.#open.size, dead: this.#dead.length });
  }

  #openInOrder(): Stored[] {
    this.#sorted = this.#sorted.filter((stored) => this.#open.get(idOf(stored.place)) === stored);
    return this.#sorted;
  }

  async #call<Result>(call: OutboxCall, takeEffect: () => Result): Promise<Result> {
    this.calls.push(call);
    await this.before(call);
    const result = takeEffect();
    await this.after(call);
    return result;
  }

  #handOut({ place, timestamp, attempts, dueAt }: Stored): OpenEffect {
    const { actorId, sequenceNumber, index } = place;
    const open = { actorId, sequenceNumber, index, timestamp, attempts, dueAt, bytes: this.bytes };
    this.handedOut.push(new WeakRef(open));
    return open;
  }
}

/** An error of a storage that passes. */
export function storageFailure(): PersistenceError {
  return new PersistenceError("STORAGE_FAILED", "the disk does not answer");
}

function idOf({ actorId, sequenceNumber, index }: EffectPlace): string {
  return `${actorId}/${sequenceNumber}/${index}`;
}

function compare(a: EffectPlace, b: EffectPlace): number {
  if (a.actorId !== b.actorId) return a.actorId < b.actorId ? -1 : 1;
  return a.sequenceNumber - b.sequenceNumber || a.index - b.index;
}
