/**
 * When an actor saves its state.
 *
 * @module
 */

import { checkInteger, checkOptions } from "./arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_BACK_OFF = 64;

/** What has changed since the last snapshot. */
export interface SnapshotTail {
  /** How many entries were journaled. */
  readonly messages: number;
  /** How many bytes they have, about; 0 where `everyBytes` is not set. */
  readonly bytes: number;
  /** The sequence number of the last of them. */
  readonly sequenceNumber: number;
}

/** When an actor saves its state: whichever comes first. */
export interface SnapshotPolicyOptions<State> {
  /** Behind this many journaled entries: an integer of at least 1, or Infinity. Default: 100. */
  everyMessages?: number;
  /**
   * This long after the first change, in milliseconds: an integer from 1 to 2^31 - 1, or Infinity.
   * Default: 15,000.
   */
  everyMs?: number;
  /**
   * Behind this many bytes of journaled entries, as they are estimated to be when encoded: an integer
   * of at least 1, or Infinity. Default: Infinity.
   */
  everyBytes?: number;
  /**
   * Asked after every message that was journaled, with the state behind it.
   *
   * @param state The state. It must not be changed.
   * @param tail What has changed since the last snapshot.
   * @returns Whether the state is to be saved.
   */
  when?: (state: State, tail: SnapshotTail) => boolean;
}

/**
 * Counts what has changed, and says when it is time to save. Where a save has not ended when the next
 * one is due, saving is slower than the interval: the interval is doubled then, up to 64 times
 * its length, and halved again each time that a save was in time.
 */
export class SnapshotPolicy<State> {
  readonly #everyMessages: number;
  readonly #everyMs: number;
  readonly #everyBytes: number;
  readonly #when: ((state: State, tail: SnapshotTail) => boolean) | undefined;
  readonly #onTime: () => void;
  #messages = 0;
  #bytes = 0;
  #backOff = 1;
  #asked = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving = false;
  #overtaken = false;

  /**
   * @param options When to save; `"manual"`: never by itself.
   * @param onTime Called when enough time has passed since the first change.
   * @param operation What the caller is about to do, for the messages of errors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   */
  constructor(
    options: SnapshotPolicyOptions<State> | "manual",
    onTime: () => void,
    operation: string,
  ) {
    const limits = options === "manual"
      ? { everyMessages: Infinity, everyMs: Infinity, everyBytes: Infinity }
      : options;
    checkOptions(limits, operation);
    const { everyMessages = 100, everyMs = 15_000, everyBytes = Infinity, when } = limits;
    this.#everyMessages = checkLimit(everyMessages, "everyMessages", operation);
    this.#everyBytes = checkLimit(everyBytes, "everyBytes", operation);
    this.#everyMs = checkLimit(everyMs, "everyMs", operation);
    if (this.#everyMs !== Infinity && this.#everyMs > MAX_TIMER_MS) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: everyMs must be at most ${MAX_TIMER_MS} or Infinity, not ${everyMs}`,
      );
    }
    if (when !== undefined && typeof when !== "function") {
      throw new ArgumentTypeError(
        `Cannot ${operation}: when must be a function, not ${typeof when}`,
      );
    }
    this.#when = when;
    this.#onTime = onTime;
  }

  /** Whether the sizes of entries matter, so that somebody must estimate them. */
  get countsBytes(): boolean {
    return this.#everyBytes !== Infinity || this.#when !== undefined;
  }

  /** By how much the interval is longer than it was set to, because saving is slow. */
  get backOff(): number {
    return this.#backOff;
  }

  /** Whether a snapshot is being saved. */
  get saving(): boolean {
    return this.#saving;
  }

  /** Whether something has changed since the last snapshot. */
  get hasChanges(): boolean {
    return this.#messages > 0;
  }

  /**
   * Entries were journaled.
   *
   * @param messages How many.
   * @param bytes How many bytes they have, about.
   * @param state The state behind them.
   * @param sequenceNumber The sequence number of the last one.
   * @returns Whether the state is to be saved now.
   */
  observe(messages: number, bytes: number, state: State, sequenceNumber: number): boolean {
    this.#messages += messages;
    this.#bytes += bytes;
    if (this.#messages > 0) this.#startTimer();
    this.#asked ||= this.#when?.(state, {
      messages: this.#messages,
      bytes: this.#bytes,
      sequenceNumber,
    }) ?? false;
    return this.isDue();
  }

  /** Whether it is time to save. While a save is under way it is not; that one was too slow, then. */
  isDue(): boolean {
    const isDue = this.#asked || this.#messages >= this.#everyMessages * this.#backOff ||
      this.#bytes >= this.#everyBytes * this.#backOff;
    if (!isDue || !this.#saving) return isDue;
    this.#overtaken = true;
    return false;
  }

  /** A state has been taken to be saved: from now on what changes counts for the next snapshot. */
  taken(): void {
    this.#saving = true;
    this.#overtaken = false;
    this.#forget();
  }

  /** The save has ended. */
  saved(): void {
    this.#saving = false;
    this.#backOff = this.#overtaken
      ? Math.min(MAX_BACK_OFF, this.#backOff * 2)
      : Math.max(1, this.#backOff / 2);
  }

  /**
   * The save has failed: what it would have included counts again, and the next attempt waits longer.
   *
   * @param messages How many entries there are behind the last snapshot that is there.
   */
  failed(messages: number): void {
    this.#saving = false;
    this.#backOff = Math.min(MAX_BACK_OFF, this.#backOff * 2);
    this.#messages = messages;
    this.#startTimer();
  }

  /**
   * Begins anew, with a state that was recovered.
   *
   * @param messages How many entries there are behind its snapshot.
   * @param bytes How many bytes they have, about.
   */
  reset(messages: number, bytes: number): void {
    this.#forget();
    this.#messages = messages;
    this.#bytes = bytes;
    if (messages > 0) this.#startTimer();
  }

  /** Stops the clock. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #forget(): void {
    this.stop();
    this.#messages = 0;
    this.#bytes = 0;
    this.#asked = false;
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#everyMs === Infinity) return;
    const delayMs = Math.min(MAX_TIMER_MS, this.#everyMs * this.#backOff);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#saving) return this.#onTime();
      this.#overtaken = true;
      this.#startTimer();
    }, delayMs);
  }
}

function checkLimit(value: number, name: string, operation: string): number {
  if (value === Infinity) return value;
  return checkInteger(value, name, 1, Number.MAX_SAFE_INTEGER, operation);
}
