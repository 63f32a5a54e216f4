/**
 * The source of a readable stream of entries.
 *
 * @module
 */

import type { JournalEntry } from "../ports/journal.ts";
import { watchAbort } from "../util/abort_watch.ts";
import type { EntryIterator } from "./entry_iterator.ts";

/** The controller that a stream passes to its source. */
interface SourceController<Chunk> {
  enqueue(chunk: Chunk): void;
  close(): void;
  error(error: unknown): void;
}

/** How many entries are enqueued at once. More would only make the stream's queue long. */
const ENTRIES_PER_PULL = 128;

/**
 * Enqueues entries when the stream requests them, and holds at most one page of them.
 *
 * @typeParam Message The type of the messages.
 */
export class EntrySource<Message> {
  readonly #entries: EntryIterator<Message>;
  readonly #signal: AbortSignal | undefined;
  #hasEnded = false;
  #unwatch: (() => void) | undefined;

  /**
   * Creates the source of one stream.
   *
   * @param entries The entries.
   * @param signal Errors the stream with its reason. It must not have aborted yet.
   */
  constructor(entries: EntryIterator<Message>, signal: AbortSignal | undefined) {
    this.#entries = entries;
    this.#signal = signal;
  }

  /**
   * Called by the stream when it is created.
   *
   * @param controller The controller of the stream.
   */
  start(controller: SourceController<JournalEntry<Message>>): void {
    const signal = this.#signal;
    if (!signal) return;
    this.#unwatch = watchAbort(signal, () => {
      controller.error(signal.reason);
      void this.cancel();
    });
  }

  /**
   * Called by the stream when an entry is requested and its queue is empty.
   *
   * @param controller The controller of the stream.
   * @returns Resolves when at least one entry is enqueued, or the stream is closed.
   * @throws The error of {@linkcode EntryIterator.next}.
   */
  async pull(controller: SourceController<JournalEntry<Message>>): Promise<void> {
    try {
      const { done, value } = await this.#entries.next();
      if (this.#hasEnded) return;
      if (done) {
        this.#end();
        return controller.close();
      }
      controller.enqueue(value);
      for (let given = 1; given < ENTRIES_PER_PULL; given++) {
        const entry = this.#entries.takeLoaded();
        if (!entry) break;
        controller.enqueue(entry);
      }
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /**
   * Called by the stream when its reader cancels it.
   *
   * @returns Resolves when the iteration has ended.
   */
  async cancel(): Promise<void> {
    this.#end();
    await this.#entries.return();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#unwatch?.();
  }
}
