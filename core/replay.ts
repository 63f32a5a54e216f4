/**
 * The iteration over a journal's entries.
 *
 * @module
 */

import type { JournalEntry } from "./journal.ts";
import type { EntryPage } from "./journal_reader.ts";

type Result<Message> = IteratorResult<JournalEntry<Message>, undefined>;

/**
 * Gives the entries of pages one by one. Written by hand, because an async generator makes three
 * promises and more for an entry where one will do. Like a generator it begins with the first call,
 * answers calls in their order, and has ended after an error.
 */
export class Replay<Message> implements AsyncIterableIterator<JournalEntry<Message>> {
  readonly #open: () => AsyncGenerator<EntryPage<Message>>;
  readonly #signal: AbortSignal | undefined;
  #pages: AsyncGenerator<EntryPage<Message>> | undefined;
  #page: EntryPage<Message> | undefined;
  #ended = false;
  /** The last call that had to wait, while it does. */
  #waiting: Promise<unknown> | undefined;

  /**
   * @param open Called once, by the first call, for the pages. May throw.
   * @param signal Ends the iteration with its reason.
   */
  constructor(open: () => AsyncGenerator<EntryPage<Message>>, signal: AbortSignal | undefined) {
    this.#open = open;
    this.#signal = signal;
  }

  /** The next entry. */
  next(): Promise<Result<Message>> {
    if (this.#waiting) return this.#behindOthers(() => this.#next());
    try {
      const value = this.#take();
      if (value) return Promise.resolve({ done: false, value });
    } catch (error) {
      return this.#behindOthers(() => this.#fail(error));
    }
    return this.#behindOthers(() => this.#next());
  }

  /** Ends the iteration. */
  return(): Promise<Result<Message>> {
    return this.#behindOthers(() => this.#end());
  }

  /** The iterator itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next entry of the page that is there. */
  #take(): JournalEntry<Message> | undefined {
    if (!this.#page) return undefined;
    this.#signal?.throwIfAborted();
    return this.#page.next();
  }

  async #next(): Promise<Result<Message>> {
    try {
      for (;;) {
        const value = this.#take();
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

  #behindOthers(call: () => Promise<Result<Message>>): Promise<Result<Message>> {
    const answer = this.#waiting ? this.#waiting.then(call, call) : call();
    this.#waiting = answer;
    const over = () => {
      if (this.#waiting === answer) this.#waiting = undefined;
    };
    answer.then(over, over);
    return answer;
  }
}
