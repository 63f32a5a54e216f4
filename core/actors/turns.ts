/**
 * Turns: a bounded number at once, the others in order.
 *
 * @module
 */

import { Fifo } from "../util/fifo.ts";
import type { EndTurn } from "./phases/phase.ts";

/** Lets a bounded number go on at once. */
export class Turns {
  #free: number;
  readonly #waiting = new Fifo<(endTurn: EndTurn) => void>();

  /** @param atOnce How many. */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /**
   * Waits for a turn.
   *
   * @returns What ends it, once it is there.
   */
  next(): Promise<EndTurn> {
    if (this.#free === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#free--;
    return Promise.resolve(this.#makeTurn());
  }

  #makeTurn(): EndTurn {
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      const next = this.#waiting.shift();
      if (next) next(this.#makeTurn());
      else this.#free++;
    };
  }
}
