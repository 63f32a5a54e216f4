/**
 * The sink of a writable stream that appends to a journal.
 *
 * @module
 */

import type { Completer } from "../commit/actor_queue.ts";
import type { EncodedRun } from "../format/encoded_run.ts";

/** How much one stream has under way before it is full. */
export interface StreamWindow {
  /** Messages: an integer of at least 1. */
  readonly messages: number;
  /** Their encoded bytes: an integer of at least 1. */
  readonly bytes: number;
}

/** What a stream hands to its sink. */
interface SinkController {
  /** Aborts as soon as the stream does. Every runtime has it, but not all of their types. */
  readonly signal?: AbortSignal;
  error(error: unknown): void;
}

/** Where the chunks of a writable stream go. */
export interface AppendTarget<Message> {
  /**
   * Encodes a message.
   *
   * @param message The message.
   * @returns The message, in memory that the next call reuses.
   * @throws {PersistenceError} Why it cannot be appended.
   */
  encode(message: Message): EncodedRun;
  /**
   * Starts to append an encoded message.
   *
   * @param run The message.
   * @param signal Cancels it, unless its commit has begun.
   * @param completer Settles the append.
   */
  append(run: EncodedRun, signal: AbortSignal | undefined, completer: Completer): void;
  /** Commits what waits for more to come. */
  release(): void;
}

/**
 * Appends what is written to it. It has many appends under way at once, which share commits, but no
 * more than its window.
 *
 * There is never a gap: after a failed append the queue rejects everything that waits for the same
 * actor, and the sink learns of it before anything else can be appended.
 *
 * @typeParam Message What is written.
 */
export class AppendSink<Message> {
  readonly #target: AppendTarget<Message>;
  readonly #window: StreamWindow;
  #controller: SinkController | undefined;
  #messages = 0;
  #bytes = 0;
  #failed = false;
  #error: unknown;
  /** Called whenever an append has ended, if the stream waits for room or for the end. */
  #wake: (() => void) | undefined;

  /**
   * @param target Where the messages go.
   * @param window How much may be under way.
   */
  constructor(target: AppendTarget<Message>, window: StreamWindow) {
    this.#target = target;
    this.#window = window;
  }

  /**
   * Called by the stream when it is made.
   *
   * @param controller The stream's controller.
   */
  start(controller: SinkController): void {
    this.#controller = controller;
  }

  /**
   * Called by the stream for each chunk, once the previous one is done and unless it has failed.
   *
   * @param message The chunk.
   * @returns `undefined` if there is room for the next chunk, else a promise of room.
   * @throws What the append failed with, once nothing of the stream is under way.
   */
  write(message: Message): Promise<void> | undefined {
    try {
      this.#start(message);
    } catch (error) {
      return this.#failAfterOthers(error);
    }
    return this.#hasRoom ? undefined : this.#roomAgain();
  }

  /**
   * Called by the stream when it is closed and all chunks have been written.
   *
   * @throws What an append failed with.
   */
  async close(): Promise<void> {
    await this.#allSettled();
    if (this.#failed) throw this.#error;
  }

  /** Called by the stream when it is aborted. Its signal has cancelled what it could by then. */
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
    // An aborted stream ends by itself, once its abort is done.
    if (!this.#controller?.signal?.aborted) this.#controller?.error(error);
  }

  /** Fails the stream once nothing of it is under way any more. */
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
