/**
 * The streams of a journal: a `WritableStream` that appends, and a `ReadableStream` that reads page
 * by page.
 *
 * @module
 */

import { watchAbort } from "./abort_watch.ts";
import type { Settlement } from "./actor_queue.ts";
import type { JournalEntry } from "./journal.ts";
import type { EntryPage } from "./journal_reader.ts";
import type { PayloadRun } from "./waiting_frames.ts";

/** How much one stream has under way before it says that it is full. */
export interface StreamWindow {
  /** Messages: at least 1. */
  readonly messages: number;
  /** Their encoded bytes: at least 1. */
  readonly bytes: number;
}

/** What a stream hands to its sink. */
interface SinkController {
  /** Aborted as soon as the stream is. Every runtime has it, not all of their types. */
  readonly signal?: AbortSignal;
  error(error: unknown): void;
}

/** What a stream hands to its source. */
interface SourceController<Chunk> {
  enqueue(chunk: Chunk): void;
  close(): void;
  error(error: unknown): void;
}

/** Where the chunks of a writable stream go. */
export interface AppendTarget<Message> {
  /**
   * Encodes a message.
   *
   * @param message The message.
   * @returns The message, in memory that the next call uses again.
   * @throws What it is refused with.
   */
  encode(message: Message): PayloadRun;
  /**
   * Starts to append an encoded message.
   *
   * @param run The message.
   * @param signal Takes it back, unless its commit has begun.
   * @param settlement Called when the append has come to its end.
   */
  append(run: PayloadRun, signal: AbortSignal | undefined, settlement: Settlement): void;
  /** Lets go out what waits for more to come. */
  release(): void;
}

/**
 * Appends what is written to it. It has many appends under way at once, which share commits, but no
 * more than its window.
 *
 * There is never a gap: the queue fails what is behind a failed append on the same actor, and tells
 * the sink so before anything else can be appended.
 */
export class AppendSink<Message> {
  readonly #target: AppendTarget<Message>;
  readonly #window: StreamWindow;
  #controller: SinkController | undefined;
  #messages = 0;
  #bytes = 0;
  #failed = false;
  #error: unknown;
  /** Called when there is room again, or nothing under way: whichever is waited for. */
  #wake: (() => void) | undefined;

  /**
   * @param target Where the messages go.
   * @param window How much may be under way.
   */
  constructor(target: AppendTarget<Message>, window: StreamWindow) {
    this.#target = target;
    this.#window = window;
  }

  /** Called by the stream when it is made. */
  start(controller: SinkController): void {
    this.#controller = controller;
  }

  /** Called by the stream for each chunk, when it is done with the one before and has no error. */
  write(message: Message): Promise<void> | undefined {
    try {
      this.#start(message);
    } catch (error) {
      return this.#failAfterOthers(error);
    }
    return this.#hasRoom ? undefined : this.#roomAgain();
  }

  /** Called by the stream when it is closed and all chunks have been written. */
  async close(): Promise<void> {
    await this.#allSettled();
    if (this.#failed) throw this.#error;
  }

  /** Called by the stream when it is aborted; its signal has taken back what could be. */
  async abort(): Promise<void> {
    await this.#allSettled();
  }

  get #hasRoom(): boolean {
    return this.#messages < this.#window.messages && this.#bytes < this.#window.bytes;
  }

  #start(message: Message): void {
    const run = this.#target.encode(message);
    const { payloadBytes } = run;
    this.#messages++;
    this.#bytes += payloadBytes;
    const ended = () => {
      this.#messages--;
      this.#bytes -= payloadBytes;
      this.#wake?.();
    };
    this.#target.append(run, this.#controller?.signal, {
      resolve: ended,
      reject: (error) => {
        this.#fail(error);
        ended();
      },
    });
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#error = error;
    // An aborted stream ends by itself, when its abort is done.
    if (!this.#controller?.signal?.aborted) this.#controller?.error(error);
  }

  /** When the stream has failed, nothing of it is under way any more. */
  async #failAfterOthers(error: unknown): Promise<void> {
    await this.#allSettled();
    this.#fail(error);
    throw this.#error;
  }

  async #roomAgain(): Promise<void> {
    this.#target.release();
    await this.#until(() => this.#hasRoom || this.#failed);
    if (!this.#failed) return;
    await this.#allSettled();
    throw this.#error;
  }

  async #allSettled(): Promise<void> {
    if (this.#messages > 0) this.#target.release();
    await this.#until(() => this.#messages === 0);
  }

  #until(isReached: () => boolean): Promise<void> {
    if (isReached()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = () => {
        if (!isReached()) return;
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Entries that go into a readable stream at once: more would only make its queue long. */
const ENTRIES_PER_PULL = 128;

/** Gives entries as they are asked for, and holds at most a page of them. */
export class EntrySource<Message> {
  readonly #pages: AsyncIterator<EntryPage<Message>>;
  readonly #signal: AbortSignal | undefined;
  #page: EntryPage<Message> | undefined;
  #ended = false;
  #unwatch: (() => void) | undefined;

  /**
   * @param pages The entries.
   * @param signal Ends the reading with its reason. It has not aborted.
   */
  constructor(pages: AsyncIterator<EntryPage<Message>>, signal: AbortSignal | undefined) {
    this.#pages = pages;
    this.#signal = signal;
  }

  /** Called by the stream when it is made. */
  start(controller: SourceController<JournalEntry<Message>>): void {
    const signal = this.#signal;
    if (!signal) return;
    this.#unwatch = watchAbort(signal, () => {
      controller.error(signal.reason);
      void this.cancel();
    });
  }

  /** Called by the stream when an entry is asked for and it has none. */
  async pull(controller: SourceController<JournalEntry<Message>>): Promise<void> {
    const first = await this.#next();
    if (this.#ended) return;
    if (!first) {
      this.#end();
      return controller.close();
    }
    controller.enqueue(first);
    for (let given = 1; given < ENTRIES_PER_PULL; given++) {
      const entry = this.#take();
      if (!entry) break;
      controller.enqueue(entry);
    }
  }

  /** Called by the stream when nothing more is wanted. */
  async cancel(): Promise<void> {
    this.#end();
    await this.#pages.return?.();
  }

  async #next(): Promise<JournalEntry<Message> | undefined> {
    for (;;) {
      const entry = this.#take();
      if (entry) return entry;
      const { done, value } = await this.#pages.next().catch((error) => this.#fail(error));
      if (done || this.#ended) return undefined;
      this.#page = value;
    }
  }

  /** The next entry of the page that is there. */
  #take(): JournalEntry<Message> | undefined {
    try {
      return this.#page?.next();
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.#end();
    throw error;
  }

  #end(): void {
    this.#ended = true;
    this.#unwatch?.();
    this.#page = undefined;
  }
}
