/**
 * Retention in the background, for all actors of a provider, whether or not they are running.
 *
 * @module
 */

import { checkInteger, checkOptionalKind, checkOptions, checkSignal } from "../errors/arguments.ts";
import { ArgumentTypeError } from "../errors/persistence_error.ts";
import type { ActorStores } from "../ports/provider.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import type { OptionNames } from "../util/option_names.ts";
import { sleep } from "../util/promises.ts";
import { callAndForget } from "../util/settled.ts";
import { systemClock } from "../util/system_clock.ts";
import {
  checkRetention,
  NOT_TRUNCATED,
  type RetentionOptions,
  type RetentionPolicy,
  type RetentionStores,
  truncateBeforeSnapshot,
  type Truncated,
} from "./retention_policy.ts";

const DEFAULT_INTERVAL_MS = 300_000;
/** After this many actors, other tasks get a turn. */
const DEFAULT_ACTORS_PER_STEP = 100;
/** For how many actors it is remembered how far they are truncated, so that nothing is read again. */
const MAX_REMEMBERED = 100_000;

/** Which actors a sweep truncates, how far, and when. */
export interface RetentionSweepOptions extends Omit<RetentionOptions, "mode"> {
  /** The provider whose actors are swept. It is not closed with the sweep. */
  provider: ActorStores;
  /**
   * The kind of the actors that are swept.
   *
   * @default {undefined} The actors without kind.
   */
  kind?: string;
  /**
   * The pause between two rounds in milliseconds: an integer from 1 to 2^31 - 1.
   *
   * @default {300_000} Five minutes.
   */
  intervalMs?: number;
  /**
   * After how many actors other tasks get a turn: an integer of at least 1.
   *
   * @default {100}
   */
  actorsPerStep?: number;
  /**
   * Whether an actor is swept.
   *
   * @param actorId The id of the actor.
   * @returns False if its journal is left alone.
   * @default {() => true}
   */
  isSwept?: (actorId: string) => boolean;
  /**
   * Called if an actor could not be truncated; without `actorId`, if a round could not list the
   * actors. What it throws, or its promise rejects with, is written to
   * the console.
   *
   * @param problem The actor and the error.
   * @default {undefined} Only the counts of the round say it.
   */
  onProblem?: (problem: RetentionProblem) => void;
}

/** A failure that a sweep reports. */
export interface RetentionProblem {
  /** The id of the actor that could not be truncated. Absent if the actors could not be listed. */
  readonly actorId?: string;
  /** What was thrown. */
  readonly error: unknown;
}

const SWEEP_OPTION_NAMES: OptionNames<RetentionSweepOptions> = {
  provider: true,
  kind: true,
  retainMessagesBeforeSnapshot: true,
  keepLast: true,
  consumers: true,
  intervalMs: true,
  actorsPerStep: true,
  isSwept: true,
  onProblem: true,
};

/** Options of {@linkcode RetentionSweep.run}. */
export interface RetentionRoundOptions {
  /**
   * Ends the round after the current actor: `run()` rejects with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

const ROUND_OPTION_NAMES: OptionNames<RetentionRoundOptions> = { signal: true };

/** The result of one round. */
export interface RetentionRound {
  /** The number of actors that were examined. */
  readonly actors: number;
  /** The number of those whose journal was truncated further. */
  readonly truncated: number;
  /** The number of those that could not be truncated because of an error. */
  readonly failed: number;
}

/**
 * Retention in the background: truncates the entries that are no longer needed, for all actors of a
 * provider, whether or not they are running. It works in rounds of small steps, between which other
 * tasks get a turn.
 *
 * One sweep per provider is enough, and it replaces `retention` of the actors: they need not wait for
 * it, and a truncation that fails is tried again in the next round.
 *
 * @example A round by hand
 * ```ts
 * import { RetentionSweep } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * await provider.createMessageJournal<number>().appendBatch("account-1", [1, 2, 3]);
 * await provider.createSnapshotStore<number>().saveSnapshot("account-1", 6, 2);
 *
 * await using sweep = new RetentionSweep({ provider, retainMessagesBeforeSnapshot: 0 });
 * console.log(await sweep.run()); // { actors: 1, truncated: 1, failed: 0 }
 * ```
 */
export class RetentionSweep implements AsyncDisposable {
  readonly #options: RetentionSweepOptions;
  readonly #stores: RetentionStores;
  readonly #policy: RetentionPolicy;
  readonly #intervalMs: number;
  readonly #actorsPerStep: number;
  /** How far actors have been truncated. */
  readonly #truncated = new Map<string, Truncated>();
  readonly #closing = new AbortController();
  #loop: Promise<void> | undefined;
  #rounds: Promise<unknown> = Promise.resolve();

  /**
   * Prepares a sweep. Nothing happens before `start()` or `run()`.
   *
   * @param options What is truncated, and when.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CLOSED` if the provider is closed.
   */
  constructor(options: RetentionSweepOptions) {
    const operation = "create retention sweep";
    checkOptions(options, operation, SWEEP_OPTION_NAMES);
    if (typeof options.provider?.actorIds !== "function") {
      throw new ArgumentTypeError(`Cannot ${operation}: provider must have a function actorIds`);
    }
    for (const name of ["isSwept", "onProblem"] as const) {
      if (options[name] === undefined || typeof options[name] === "function") continue;
      throw new ArgumentTypeError(`Cannot ${operation}: ${name} must be a function`);
    }
    checkOptionalKind(options.kind, operation);
    const {
      provider: _,
      kind: _k,
      intervalMs,
      actorsPerStep,
      isSwept: _s,
      onProblem: _p,
      ...retention
    } = options;
    this.#options = options;
    this.#stores = {
      journal: options.provider.createMessageJournal<unknown>(ofKind(options)),
      snapshots: options.provider.createSnapshotStore<unknown>(ofKind(options)),
    };
    this.#policy = checkRetention(retention, operation);
    this.#intervalMs = checkInteger(
      intervalMs ?? DEFAULT_INTERVAL_MS,
      "intervalMs",
      1,
      MAX_TIMER_MS,
      operation,
    );
    this.#actorsPerStep = checkInteger(
      actorsPerStep ?? DEFAULT_ACTORS_PER_STEP,
      "actorsPerStep",
      1,
      Number.MAX_SAFE_INTEGER,
      operation,
    );
  }

  /** Runs a round after each interval, until `close()`. Idempotent. */
  start(): void {
    this.#loop ??= this.#sweepUntilClosed();
  }

  /**
   * Sweeps all actors once, after any round that is in progress.
   *
   * @param options A signal that ends the round after the current actor.
   * @returns The counts of the round. A failure for one actor is counted and reported to `onProblem`.
   * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if an option is invalid or unknown.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CORRUPT` or `CLOSED` if the actors cannot be listed.
   * @throws {unknown} The signal's reason after an abort.
   */
  async run(options: RetentionRoundOptions = {}): Promise<RetentionRound> {
    const operation = "sweep actors";
    checkOptions(options, operation, ROUND_OPTION_NAMES);
    checkSignal(options.signal, operation);
    const round = this.#rounds.then(() => this.#sweep(options.signal));
    this.#rounds = round.catch(() => {
      // The caller gets the error; the next round begins anew.
    });
    return await round;
  }

  /** Ends the rounds after the current actor and waits for that. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
    await this.#rounds;
  }

  /** Closes the sweep. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sweepUntilClosed(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await this.#pause(signal);
      if (signal.aborted) return;
      try {
        await this.run();
      } catch (error) {
        // There is a next round, which may succeed.
        this.#report({ error });
      }
    }
  }

  /** Until the next round. The process does not stay alive for it. */
  #pause(signal: AbortSignal): Promise<void> {
    const { clock = systemClock } = this.#options.provider;
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.setTimer(end, this.#intervalMs, false);
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }

  /** No callback of the user ends the rounds. */
  #report(problem: RetentionProblem): void {
    callAndForget(
      () => this.#options.onProblem?.(problem),
      (error) => console.error("onProblem of a retention sweep failed:", error, problem),
    );
  }

  async #sweep(signal: AbortSignal | undefined): Promise<RetentionRound> {
    const { provider, isSwept = () => true } = this.#options;
    const counts = { actors: 0, truncated: 0, failed: 0 };
    for await (const actorId of provider.actorIds(ofKind(this.#options))) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) break;
      if (!isSwept(actorId)) continue;
      counts.actors++;
      try {
        if (await this.#truncate(actorId)) counts.truncated++;
      } catch (error) {
        counts.failed++;
        this.#report({ actorId, error });
      }
      if (counts.actors % this.#actorsPerStep === 0) await sleep(0);
    }
    return counts;
  }

  /** Whether anything was truncated. */
  async #truncate(actorId: string): Promise<boolean> {
    const before = this.#truncated.get(actorId) ?? NOT_TRUNCATED;
    const after = await truncateBeforeSnapshot(this.#stores, actorId, this.#policy, before);
    if (after === before) return false;
    if (this.#truncated.size >= MAX_REMEMBERED) this.#truncated.clear();
    this.#truncated.set(actorId, after);
    return true;
  }
}

/** The options that select the kind. */
function ofKind({ kind }: RetentionSweepOptions): { kind?: string } {
  return kind === undefined ? {} : { kind };
}
