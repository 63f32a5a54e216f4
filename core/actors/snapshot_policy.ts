/**
 * When an actor saves its state.
 *
 * @module
 */

import { checkInteger, checkOptions, describeType } from "../errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../errors/persistence_error.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import { isUnwantedPromise } from "../util/promises.ts";
import type { OptionNames } from "../util/option_names.ts";

const MAX_BACK_OFF = 64;
const DEFAULT_EVERY_MESSAGES = 100;
const DEFAULT_EVERY_MS = 15_000;

/** What has changed since the last snapshot. */
export interface ChangesSinceSnapshot {
  /** How many entries were journaled. */
  readonly messages: number;
  /** How many bytes they have, encoded; those of replayed ones are estimated. */
  readonly bytes: number;
  /** The sequence number of the last of them. */
  readonly sequenceNumber: number;
}

/** When an actor saves its state: whichever comes first. */
export interface SnapshotPolicyOptions<State> {
  /**
   * After this many journaled entries: an integer of at least 1, or Infinity.
   *
   * @default {100}
   */
  everyMessages?: number;
  /**
   * This long after the first change, in milliseconds: an integer from 1 to 2^31 - 1, or Infinity.
   *
   * @default {15_000}
   */
  everyMs?: number;
  /**
   * After this many bytes of encoded entries: an integer of at least 1, or Infinity.
   *
   * @default {Infinity}
   */
  everyBytes?: number;
  /**
   * Asked after every message that was journaled, with the state after it. If it throws, that is
   * reported to `onProblem`, and counts as false.
   *
   * @param state The state. It must not be changed.
   * @param changes What has changed since the last snapshot.
   * @returns Whether the state is to be saved.
   * @default {undefined} Nothing is asked.
   */
  when?: (state: State, changes: ChangesSinceSnapshot) => boolean;
}

/** The names of {@linkcode SnapshotPolicyOptions}. */
const SNAPSHOT_POLICY_OPTION_NAMES: OptionNames<SnapshotPolicyOptions<unknown>> = {
  everyMessages: true,
  everyMs: true,
  everyBytes: true,
  when: true,
};

/** What a policy needs of its actor. */
export interface PolicyOwner {
  /** The clock of its runtime. */
  readonly clock: Clock;
  /** Called when enough time has passed since the first change. */
  onTime(): void;
  /** Called with what `when` has thrown. */
  whenFailed(error: unknown): void;
}

/**
 * Counts what has changed, and says when it is time to save. If a save has not ended when the next
 * one is due, saving is slower than the interval: the interval is doubled then, up to 64 times its
 * length, and halved again each time that a save was in time.
 */
export class SnapshotPolicy<State> {
  readonly #everyMessages: number;
  readonly #everyMs: number;
  readonly #everyBytes: number;
  readonly #when: SnapshotPolicyOptions<State>["when"];
  readonly #owner: PolicyOwner;
  #messages = 0;
  #bytes = 0;
  #backOff = 1;
  #isAsked = false;
  #timer: Timer | undefined;
  #isSaving = false;
  #isOvertaken = false;
  #isStopped = false;

  /**
   * @param options When to save; `"manual"`: never by itself.
   * @param owner The actor.
   * @param operation What the caller is about to do, for the messages of errors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   */
  constructor(
    options: SnapshotPolicyOptions<State> | "manual",
    owner: PolicyOwner,
    operation: string,
  ) {
    const limits: SnapshotPolicyOptions<State> = options === "manual"
      ? { everyMessages: Infinity, everyMs: Infinity, everyBytes: Infinity }
      : options;
    checkOptions(limits, operation, SNAPSHOT_POLICY_OPTION_NAMES, "snapshotPolicy");
    const {
      everyMessages = DEFAULT_EVERY_MESSAGES,
      everyMs = DEFAULT_EVERY_MS,
      everyBytes = Infinity,
      when,
    } = limits;
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
        `Cannot ${operation}: when must be a function, not ${describeType(when)}`,
      );
    }
    this.#when = when;
    this.#owner = owner;
  }

  /** Whether the sizes of entries matter. */
  get countsBytes(): boolean {
    return this.#everyBytes !== Infinity || this.#when !== undefined;
  }

  /** By how much the interval is longer than it was set to, because saving is slow. */
  get backOff(): number {
    return this.#backOff;
  }

  /** Whether a snapshot is being saved. */
  get isSaving(): boolean {
    return this.#isSaving;
  }

  /** Whether something has changed since the last snapshot. */
  get hasChanges(): boolean {
    return this.#messages > 0;
  }

  /**
   * Entries were journaled.
   *
   * @param messages How many.
   * @param bytes How many bytes they have.
   * @param state The state after them.
   * @param sequenceNumber The sequence number of the last one.
   * @returns Whether the state is to be saved now.
   */
  observe(messages: number, bytes: number, state: State, sequenceNumber: number): boolean {
    this.#messages += messages;
    this.#bytes += bytes;
    if (this.#messages > 0) this.#startTimer();
    this.#isAsked ||= this.#askWhen(state, sequenceNumber);
    return this.isDue();
  }

  /** Whether it is time to save. While a save is under way it is not; that one was too slow, then. */
  isDue(): boolean {
    const isDue = this.#isAsked || this.#messages >= this.#everyMessages * this.#backOff ||
      this.#bytes >= this.#everyBytes * this.#backOff;
    if (!isDue || !this.#isSaving) return isDue;
    this.#isOvertaken = true;
    return false;
  }

  /** A state has been taken to be saved: from now on what changes counts for the next snapshot. */
  taken(): void {
    this.#isSaving = true;
    this.#isOvertaken = false;
    this.#forget();
  }

  /** The save has ended. */
  saved(): void {
    this.#isSaving = false;
    this.#backOff = this.#isOvertaken
      ? Math.min(MAX_BACK_OFF, this.#backOff * 2)
      : Math.max(1, this.#backOff / 2);
  }

  /**
   * The save has failed: what it would have included counts again, and the next attempt waits longer.
   *
   * @param messages How many entries there are after the last snapshot that is there.
   */
  failed(messages: number): void {
    this.#isSaving = false;
    this.#backOff = Math.min(MAX_BACK_OFF, this.#backOff * 2);
    this.#isAsked = false;
    this.#messages = messages;
    this.#startTimer();
  }

  /**
   * Begins anew, with a state that was recovered.
   *
   * @param messages How many entries there are after its snapshot.
   * @param bytes How many bytes they have, about.
   */
  reset(messages: number, bytes: number): void {
    this.#forget();
    // A state that was taken and not yet saved is lost.
    this.#isSaving = false;
    this.#messages = messages;
    this.#bytes = bytes;
    if (messages > 0) this.#startTimer();
  }

  /** The actor stops: no time is waited for any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  #askWhen(state: State, sequenceNumber: number): boolean {
    if (!this.#when) return false;
    try {
      const answer: unknown = this.#when(state, {
        messages: this.#messages,
        bytes: this.#bytes,
        sequenceNumber,
      });
      if (!isUnwantedPromise(answer)) return Boolean(answer);
      throw new TypeError("when must answer at once, not by a promise");
    } catch (error) {
      this.#owner.whenFailed(error);
      return false;
    }
  }

  #forget(): void {
    this.#cancelTimer();
    this.#messages = 0;
    this.#bytes = 0;
    this.#isAsked = false;
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#isStopped || this.#everyMs === Infinity) return;
    const delayMs = Math.min(MAX_TIMER_MS, this.#everyMs * this.#backOff);
    this.#timer = this.#owner.clock.setTimer(
      () => {
        this.#timer = undefined;
        if (!this.#isSaving) return this.#owner.onTime();
        this.#isOvertaken = true;
        this.#startTimer();
      },
      delayMs,
      false,
    );
  }
}

function checkLimit(value: number, name: string, operation: string): number {
  if (value === Infinity) return value;
  return checkInteger(value, name, 1, Number.MAX_SAFE_INTEGER, operation);
}
