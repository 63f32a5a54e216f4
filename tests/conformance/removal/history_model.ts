/**
 * What is there of an actor after calls that were carried out, or were interrupted. It knows nothing of
 * how that is stored.
 *
 * @module
 */

import { KIND, type Mode } from "./fixture.ts";

/** An actor, as a user sees it. */
export class ActorModel {
  /** The number that the next append gets. */
  next = 0;
  /** The lowest number that is retained. */
  first = 0;
  /** The number that the journal began at. */
  origin = 0;
  /** The messages, by their numbers. */
  readonly entries: Map<number, unknown>;
  /** The states, by their numbers. */
  readonly snapshots: Map<number, unknown>;
  /** The positions of consumers. */
  readonly consumers: Map<string, number>;
  /** Up to where messages have been handled. */
  handled = -1;
  /** Which were refused. */
  readonly refused: Set<number>;
  /** The effects to be delivered, by their places. */
  readonly open: Map<string, unknown>;
  /** Those that were given up. */
  readonly dead: Map<string, unknown>;

  /** @param from What it is at first: a copy of another one, or an actor of which there is nothing. */
  constructor(from?: ActorModel) {
    this.next = from?.next ?? 0;
    this.first = from?.first ?? 0;
    this.origin = from?.origin ?? 0;
    this.handled = from?.handled ?? -1;
    this.entries = new Map(from?.entries);
    this.snapshots = new Map(from?.snapshots);
    this.consumers = new Map(from?.consumers);
    this.refused = new Set(from?.refused);
    this.open = new Map(from?.open);
    this.dead = new Map(from?.dead);
  }

  /** Appends messages. */
  append(...messages: readonly unknown[]): void {
    for (const message of messages) this.entries.set(this.next++, message);
  }

  /** Truncates the journal. */
  truncate(before: number): void {
    this.first = Math.max(this.first, Math.min(before, this.next));
    for (const number of this.entries.keys()) {
      if (number < this.first) this.entries.delete(number);
    }
  }

  /** Whether the journal can begin, or go on, at a number. */
  canStartAt(number: number): boolean {
    return this.first === this.next && number >= this.next;
  }

  /** Lets it begin there. */
  startAt(number: number): void {
    this.next = this.first = this.origin = number;
  }

  /** The actor after a removal. */
  removed(mode: Mode): ActorModel {
    const empty = new ActorModel();
    if (mode === "erase") empty.startAt(this.next);
    return empty;
  }

  /** What is read of it: see `everythingOf`. */
  get everything(): Record<string, unknown> {
    const numbers = [...this.snapshots.keys()].toSorted((one, other) => other - one);
    const [newest] = numbers;
    const range = {
      lowestSequenceNumber: this.first,
      highestSequenceNumber: this.next - 1,
      ...(newest !== undefined && { newestSnapshot: newest }),
    };
    const isListed = this.next > 0 || newest !== undefined;
    return {
      entries: [...this.entries],
      lowest: this.first,
      highest: this.next - 1,
      snapshots: numbers,
      state: newest === undefined ? undefined : this.snapshots.get(newest),
      open: effectsIn(this.open),
      dead: effectsIn(this.dead),
      counts: { open: this.open.size, dead: this.dead.size },
      marks: {
        handled: this.handled,
        // Those of truncated messages may be left for a while, if the truncation was interrupted.
        refused: [...this.refused].filter((number) => number >= this.first)
          .toSorted((one, other) => one - other),
      },
      consumers: [...this.consumers].toSorted(),
      infos: isListed ? [{ kind: KIND, actorId: "a", ...range }] : [],
    };
  }
}

/** The place of an effect, as a key. */
export function placeKey(sequenceNumber: number, index: number): string {
  return `${sequenceNumber}/${index}`;
}

function effectsIn(effects: ReadonlyMap<string, unknown>): unknown[] {
  return [...effects]
    .map(([place, effect]) => {
      const [sequenceNumber = 0, index = 0] = place.split("/").map(Number);
      return { sequenceNumber, index, effect };
    })
    .toSorted((one, other) => one.sequenceNumber - other.sequenceNumber || one.index - other.index)
    .map(({ sequenceNumber, index, effect }) => [sequenceNumber, index, effect]);
}
