/**
 * The mailbox of an actor: what waits to be handled, strictly in order, and who waits for the answer.
 *
 * @module
 */

import { watchAbort } from "./abort_watch.ts";
import type { Timed } from "./deadlines.ts";

/** So many that were taken are worth closing the gap at the beginning. */
const MIN_GAP = 64;

/** A queue from whose front one can take in constant time, and put back. */
export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #first = 0;

  /** How many wait. */
  get length(): number {
    return this.#items.length - this.#first;
  }

  /** The first one, which stays. */
  get first(): Item | undefined {
    return this.#items[this.#first];
  }

  /** Puts one behind all others. */
  push(item: Item): void {
    this.#items.push(item);
  }

  /** Takes the first one. */
  shift(): Item | undefined {
    const item = this.#items[this.#first];
    if (this.#first < this.#items.length) this.#items[this.#first++] = undefined;
    if (this.#first === this.#items.length) this.#items = [];
    else if (this.#first < MIN_GAP || this.#first < this.#items.length / 2) return item;
    else this.#items = this.#items.slice(this.#first);
    this.#first = 0;
    return item;
  }

  /** Puts some before all others. */
  putBack(items: readonly Item[]): void {
    this.#items = [...items, ...this.#items.slice(this.#first)];
    this.#first = 0;
  }

  /** Takes all. */
  takeAll(): Item[] {
    const items: Item[] = [];
    for (let left = this.length; left > 0; left--) {
      const item = this.shift();
      if (item !== undefined) items.push(item);
    }
    return items;
  }
}

/** A message, and whoever waits for what becomes of it. */
export class Letter<Message, Reply> implements Timed {
  /** The message. */
  readonly message: Message;
  /** Settles when it has been handled, and all that it changed is durable. */
  readonly answer: Promise<Reply>;
  /** Whether its handling has begun. */
  begun = false;
  /** Whether whoever waited has been told what became of it. */
  ended = false;
  /** What happens when it has not ended in time. */
  onExpire: (() => void) | undefined;

  #resolve!: (reply: Reply) => void;
  #reject!: (error: unknown) => void;
  #unwatch: (() => void) | undefined;

  /** @param message The message. */
  constructor(message: Message) {
    this.message = message;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Ends well. */
  resolve(reply: Reply): void {
    if (!this.#end()) return;
    this.#resolve(reply);
  }

  /** Ends with an error. */
  reject(error: unknown): void {
    if (!this.#end()) return;
    this.#reject(error);
  }

  /** Ends with the signal's reason when that aborts. */
  watch(signal: AbortSignal): void {
    this.#unwatch = watchAbort(signal, () => this.reject(signal.reason));
  }

  /** See {@linkcode Timed.expire}. */
  expire(): void {
    this.onExpire?.();
  }

  #end(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.#unwatch?.();
    return true;
  }
}
