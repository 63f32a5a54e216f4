/**
 * All that the log of a simulation has ever said, also what has been collected.
 *
 * @module
 */

/** A journal as of a position of the log. */
export interface JournalThen {
  /** The sequence number after the last entry. */
  readonly next: number;
  /** The lowest sequence number that is retained. */
  readonly first: number;
}

/** Entries that one record has added to a journal. */
export interface AddedRun {
  readonly actorId: string;
  /** The sequence number of the first entry. */
  readonly first: number;
  readonly count: number;
}

interface JournalPast {
  /** The position at which it was made. */
  readonly incarnation: number;
  readonly steps: (JournalThen & { readonly position: number })[];
}

const NOTHING: JournalThen = { next: 0, first: 0 };

/** Remembers a log. */
export class LogPast {
  /** The position of the newest record. */
  position = 0;
  readonly #journals = new Map<string, JournalPast>();
  readonly #runs = new Map<number, AddedRun[]>();

  /** A record is there. What is added from now on is in it. */
  begin(position: number): void {
    this.position = position;
    this.#runs.set(position, []);
  }

  /** The record has entries. */
  add(actorId: string, first: number, count: number): void {
    this.#runs.get(this.position)?.push({ actorId, first, count });
    this.#step(actorId, { ...this.at(actorId), next: first + count });
  }

  /** The record truncates a journal. */
  truncate(actorId: string, first: number): void {
    this.#step(actorId, { ...this.at(actorId), first });
  }

  /** The ids of all actors. */
  get actorIds(): Iterable<string> {
    return this.#journals.keys();
  }

  /** The position at which a journal was made. */
  incarnationOf(actorId: string): number {
    return this.#journals.get(actorId)?.incarnation ?? 0;
  }

  /** A journal as of before a position. */
  at(actorId: string, position: number = Infinity): JournalThen {
    return this.#journals.get(actorId)?.steps.findLast((step) => step.position < position) ??
      NOTHING;
  }

  /** What the record at a position has added, in its order. */
  runsAt(position: number): readonly AddedRun[] {
    return this.#runs.get(position) ?? [];
  }

  #step(actorId: string, then: JournalThen): void {
    const { position } = this;
    const journal = this.#journals.get(actorId) ?? { incarnation: position, steps: [] };
    this.#journals.set(actorId, journal);
    journal.steps.push({ ...then, position });
  }
}
