/**
 * Stores that effects were delivered: what is delivered while confirmations are being stored is stored
 * together.
 *
 * @module
 */

import type { EffectItem } from "./effect_attempt.ts";

/** So many are confirmed with one commit. */
const MAX_CONFIRMED = 1_000;

/** Confirms effects. */
export class Confirmations {
  readonly #store: (items: readonly EffectItem[]) => Promise<void>;
  readonly #waiting: EffectItem[] = [];
  #storing: Promise<void> | undefined;

  /** @param store Stores that some were delivered, or gives up. It must not reject. */
  constructor(store: (items: readonly EffectItem[]) => Promise<void>) {
    this.#store = store;
  }

  /** An effect was delivered. */
  add(item: EffectItem): void {
    this.#waiting.push(item);
    this.#storing ??= this.#storeAll();
  }

  /** Resolves when all have been stored, or were given up. */
  async ends(): Promise<void> {
    while (this.#storing) await this.#storing;
  }

  async #storeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#store(this.#waiting.splice(0, MAX_CONFIRMED));
    // At once, and not when the promise resolves: what is delivered until then would be left.
    this.#storing = undefined;
  }
}
