/**
 * Retention in the background, over all actors of a provider, whether they are running or not.
 *
 * @module
 */

import { checkInteger, checkOptions, checkSignal } from "./arguments.ts";
import { ArgumentTypeError } from "./errors.ts";
import type { PersistenceProvider } from "./provider.ts";
import {
  checkRetention,
  type RetentionOptions,
  type RetentionPolicy,
  type RetentionStores,
  truncateBehindSnapshot,
} from "./retention.ts";
import { sleep } from "./retry.ts";

const DEFAULT_INTERVAL_MS = 300_000;
const MAX_TIMER_MS = 2 ** 31 - 1;
/** So many actors are looked at before others have their turn. */
const DEFAULT_ACTORS_PER_STEP = 100;
/** Of so many it is remembered how far they have been truncated, so that nothing is read again. */
const MAX_REMEMBERED = 100_000;

/** What a sweep truncates, and when. */
export interface RetentionSweepOptions extends Omit<RetentionOptions, "mode"> {
  /** The provider whose actors are swept. It is not closed with the sweep. */
  provider: PersistenceProvider;
  /**
   * How long it rests between two rounds in milliseconds: an integer from 1 to 2^31 - 1. Default:
   * 300,000, that is five minutes.
   */
  intervalMs?: number;
  /** How many actors are looked at before others have their turn: at least 1. Default: 100. */
  actorsPerStep?: number;
  /** Which actors are swept. Default: all. */
  isSwept?: (actorId: string) => boolean;
  /**
   * Told of an actor that could not be truncated; without `actorId`, that a round could not list the
   * actors. It must not throw. Default: nobody is.
   */
  onProblem?: (problem: { readonly actorId?: string; readonly error: unknown }) => void;
}

/** What one round has done. */
export interface RetentionRound {
  /** How many actors were looked at. */
  readonly actors: number;
  /** How many of them were truncated further. */
  readonly truncated: number;
  /** How many of them could not be truncated, because of an error. */
  readonly failed: number;
}

/**
 * Truncates what is no longer needed, of all actors of a provider, in rounds. Each round does its
 * work in small steps, between which others have their turn.
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
 * await using sweep = new RetentionSweep({ provider, retainMessagesBehindSnapshot: 0 });
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
  readonly #truncated = new Map<string, number>();
  readonly #closing = new AbortController();
  #loop: Promise<void> | undefined;
  #rounds: Promise<unknown> = Promise.resolve();

  /**
   * @param options What is truncated, and when. Nothing happens before `start()` or `run()`.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where an option is bad.
   * @throws {PersistenceError} `CLOSED` where the provider is closed.
   */
  constructor(options: RetentionSweepOptions) {
    const operation = "make retention sweep";
    checkOptions(options, operation);
    if (typeof options.provider?.actorIds !== "function") {
      throw new ArgumentTypeError(`Cannot ${operation}: provider must be a PersistenceProvider`);
    }
    for (const name of ["isSwept", "onProblem"] as const) {
      if (options[name] === undefined || typeof options[name] === "function") continue;
      throw new ArgumentTypeError(`Cannot ${operation}: ${name} must be a function`);
    }
    const { provider: _, intervalMs, actorsPerStep, isSwept: _s, onProblem: _p, ...retention } =
      options;
    this.#options = options;
    this.#stores = {
      journal: options.provider.createMessageJournal<unknown>(),
      snapshots: options.provider.createSnapshotStore<unknown>(),
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

  /** Sweeps again and again, the first time after one interval, until `close()`. Idempotent. */
  start(): void {
    this.#loop ??= this.#sweepUntilClosed();
  }

  /**
   * Sweeps all actors once. Rounds take turns.
   *
   * @param options Signal, which ends the round behind the actor that it is at.
   * @returns What it has done.
   * @throws {PersistenceError} `STORAGE_FAILED`, `CORRUPT`, `CLOSED` where the actors cannot be
   *   listed. What fails for one actor is counted, and told to `onProblem`. The signal's reason
   *   after an abort.
   */
  run(options: { signal?: AbortSignal } = {}): Promise<RetentionRound> {
    const round = this.#rounds.then(() => {
      checkSignal(options.signal, "sweep actors");
      return this.#sweep(options.signal);
    });
    this.#rounds = round.catch(() => {
      // Told to whoever called it.
    });
    return round;
  }

  /** Ends what is under way behind the actor that it is at. Idempotent. */
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
      await sleep(this.#intervalMs, signal);
      if (signal.aborted) return;
      try {
        await this.run();
      } catch (error) {
        // There is a next round, and it may be better.
        this.#options.onProblem?.({ error });
      }
    }
  }

  async #sweep(signal: AbortSignal | undefined): Promise<RetentionRound> {
    const { provider, isSwept = () => true } = this.#options;
    const counts = { actors: 0, truncated: 0, failed: 0 };
    for await (const actorId of provider.actorIds()) {
      signal?.throwIfAborted();
      if (this.#closing.signal.aborted) break;
      if (!isSwept(actorId)) continue;
      counts.actors++;
      try {
        if (await this.#truncate(actorId)) counts.truncated++;
      } catch (error) {
        counts.failed++;
        this.#options.onProblem?.({ actorId, error });
      }
      if (counts.actors % this.#actorsPerStep === 0) await sleep(0);
    }
    return counts;
  }

  /** Whether anything could be truncated. */
  async #truncate(actorId: string): Promise<boolean> {
    const before = this.#truncated.get(actorId) ?? 0;
    const after = await truncateBehindSnapshot(this.#stores, actorId, this.#policy, before);
    if (after <= before) return false;
    if (this.#truncated.size >= MAX_REMEMBERED) this.#truncated.clear();
    this.#truncated.set(actorId, after);
    return true;
  }
}
