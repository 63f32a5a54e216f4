/**
 * Iterates over the entries of a journal.
 *
 * @module
 */

import type { JournalEntry } from "../ports/journal.ts";
import type { EntryPage } from "./entry_page.ts";

type Result<Message> = IteratorResult<JournalEntry<Message>, undefined>;

/**
 * Iterates over the entries of pages. It is written by hand, because an async generator makes three
 * or more promises per entry, and one is enough. Like a generator it starts with the first call,
 * answers calls in order, and ends after an error.
 *
 * @typeParam Message The type of the messages.
 */
export class EntryIterator<Message> implements AsyncIterableIterator<JournalEntry<Message>> {
  readonly #open: () => AsyncGenerator<EntryPage<Message>>;
  readonly #signal: AbortSignal | undefined;
  readonly #onReturn: (() => void) | undefined;
  #pages: AsyncGenerator<EntryPage<Message>> | undefined;
  #page: EntryPage<Message> | undefined;
  #ended = false;
  /** The last call in flight, if there is one. */
  #lastCall: Promise<unknown> | undefined;

  /**
   * Creates an iterator, which opens nothing yet.
   *
   * @param open Opens the pages. The first call of `next` calls it, once. It may throw.
   * @param signal Ends the iteration: the next call rejects with its reason.
   * @param onReturn Called when the iteration is to end: a page that is waited for must not come.
   */
  constructor(
    open: () => AsyncGenerator<EntryPage<Message>>,
    signal: AbortSignal | undefined,
    onReturn?: () => void,
  ) {
    this.#open = open;
    this.#signal = signal;
    this.#onReturn = onReturn;
  }

  /**
   * Reads the next entry.
   *
   * @returns The entry, or the end of the iteration.
   * @throws The error of opening or reading the pages, or of decoding the entry; the signal's
   *   reason after an abort.
   */
  next(): Promise<Result<Message>> {
    if (this.#lastCall) return this.#enqueue(() => this.#next());
    try {
      const value = this.takeLoaded();
      if (value) return Promise.resolve({ done: false, value });
    } catch (error) {
      return this.#enqueue(() => this.#fail(error));
    }
    return this.#enqueue(() => this.#next());
  }

  /**
   * Takes the next entry if its page has already been read. No call of `next` may be in flight.
   *
   * @returns The entry, or `undefined` if `next` has to be called for it.
   * @throws The error of decoding the entry; the signal's reason after an abort. The caller must
   *   then end the iteration.
   */
  takeLoaded(): JournalEntry<Message> | undefined {
    if (!this.#page) return undefined;
    this.#signal?.throwIfAborted();
    return this.#page.next();
  }

  /**
   * Ends the iteration, after the calls in flight.
   *
   * @returns The end of the iteration.
   */
  return(): Promise<Result<Message>> {
    this.#onReturn?.();
    return this.#enqueue(() => this.#end());
  }

  /**
   * Returns the iterator itself, so that `for await` accepts it.
   *
   * @returns The iterator.
   */
  [Symbol.asyncIterator](): this {
    return this;
  }

  async #next(): Promise<Result<Message>> {
    try {
      for (;;) {
        const value = this.takeLoaded();
        if (value) return { done: false, value };
        if (this.#ended) return { done: true, value: undefined };
        this.#pages ??= this.#open();
        const { done, value: page } = await this.#pages.next();
        if (done) return await this.#end();
        this.#page = page;
      }
    } catch (error) {
      return await this.#fail(error);
    }
  }

  async #fail(error: unknown): Promise<never> {
    await this.#end();
    throw error;
  }

  async #end(): Promise<Result<Message>> {
    this.#ended = true;
    this.#page = undefined;
    await this.#pages?.return(undefined);
    return { done: true, value: undefined };
  }

  #enqueue(call: () => Promise<Result<Message>>): Promise<Result<Message>> {
    const result = this.#lastCall ? this.#lastCall.then(call, call) : call();
    this.#lastCall = result;
    const onSettled = () => {
      if (this.#lastCall === result) this.#lastCall = undefined;
    };
    result.then(onSettled, onSettled);
    return result;
  }
}
