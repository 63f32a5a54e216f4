/**
 * Gives commits pieces of the collector to carry. The piece after one is made while that one is being
 * committed, when the main thread has nothing else to do.
 *
 * @module
 */

import type { CollectedPiece, Collector } from "../log/collector.ts";
import type { Log } from "../log/log.ts";
import type { CommitCounts } from "../ports/provider.ts";
import type { CommitEvents } from "./commit_events.ts";

/** After so many microtasks storages have begun with a commit: what is made then costs no time. */
const MICROTASKS_TO_BEGIN = 8;

/** The next piece, which is made while a commit is in flight. */
interface PieceAhead {
  readonly piece: Promise<CollectedPiece | undefined>;
  /** False once the commit has turned out not to have been applied. */
  isValid: boolean;
}

/** What pieces are made with. */
export interface PieceServices {
  /** The log that is collected. */
  readonly log: Log;
  /** Collects it. */
  readonly collector: Collector;
  /** Counts failures. */
  readonly counts: CommitCounts;
  /** Tells of failures. */
  readonly events: CommitEvents;
}

/** Supplies commits with pieces. */
export class PieceSupply {
  /** How many bytes the last record had: the next one that a piece rides with may be as large. */
  recordBytes = 0;

  readonly #services: PieceServices;
  #ahead: PieceAhead | undefined;
  #isStopped = false;
  /** Whether the collector has had nothing to do, so that it is no reason for a commit. */
  #rests = false;

  /** @param services What pieces are made with. */
  constructor(services: PieceServices) {
    this.#services = services;
  }

  /** Whether a commit should be made for a piece alone. */
  get hasWork(): boolean {
    return !this.#isStopped && !this.#rests && this.#services.collector.hasWork;
  }

  /** Whether anything can be collected. */
  get hasAny(): boolean {
    return !this.#isStopped && this.#services.collector.hasAny;
  }

  /** There are no more pieces. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A commit has failed: until there is another reason for one, none is made for a piece. */
  rest(): void {
    this.#rests = true;
  }

  /**
   * Gives the next piece. If it cannot be made, everything else goes on without it.
   *
   * @param isAlone Whether nothing else is to be committed.
   * @param takesAll Whether everything is collected, even if it is not too much.
   * @returns The piece, or `undefined` if there is none.
   */
  async next(isAlone: boolean, takesAll = false): Promise<CollectedPiece | undefined> {
    const { collector, log } = this.#services;
    if (!isAlone) this.#rests = false;
    const ahead = this.#ahead;
    const made = ahead && await ahead.piece;
    this.#ahead = undefined;
    if (this.#isStopped) return undefined;
    if (made && ahead?.isValid && !takesAll && log.allowsPiece(made.asOf)) {
      this.#rests = false;
      return made;
    }
    if (!takesAll && !collector.hasWork) return undefined;
    const piece = await this.#make(() => collector.nextPiece(this.recordBytes, takesAll));
    this.#rests = piece === undefined;
    return piece;
  }

  /**
   * Begins to make the piece after one whose commit has been begun.
   *
   * @param before The piece that is being committed.
   */
  makeAhead(before: CollectedPiece): void {
    if (this.#isStopped || !before.continuation) return;
    this.#ahead = { piece: this.#pieceAfter(before), isValid: true };
  }

  /** The piece that was being committed was not: the one after it must not be, either. */
  discardAhead(): void {
    if (this.#ahead) this.#ahead.isValid = false;
  }

  async #pieceAfter(before: CollectedPiece): Promise<CollectedPiece | undefined> {
    for (let count = 0; count < MICROTASKS_TO_BEGIN; count++) await undefined;
    const { collector } = this.#services;
    return await this.#make(() => collector.pieceAfter(before, this.recordBytes));
  }

  async #make(
    makePiece: () => Promise<CollectedPiece | undefined>,
  ): Promise<CollectedPiece | undefined> {
    const { counts, events } = this.#services;
    try {
      return await makePiece();
    } catch (error) {
      counts.failedCollections++;
      counts.lastCollectionError = error;
      events.notCollected(error);
      return undefined;
    }
  }
}
