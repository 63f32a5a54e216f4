/**
 * A database in memory that survives restarts and crashes.
 *
 * @module
 */

import { MemoryDatabase, MemoryPersistenceProvider, MemoryStorage } from "../adapters/memory.ts";
import type { Clock, Timer } from "../core/ports/clock.ts";
import type { ProviderOptions } from "../core/ports/provider.ts";
import type { PersistenceProvider } from "../core/provider.ts";
import { TestClock } from "./test_clock.ts";

/**
 * A database in memory for tests of restarts. A provider that it opens stands for a process; after
 * {@linkcode TestDatabase.crash}, or after it was closed, the next one finds what was committed.
 *
 * @example A crash
 * ```ts
 * import { TestDatabase } from "@cajun/persistence/testing";
 *
 * const database = new TestDatabase();
 * const first = await database.open();
 * const journal = first.createMessageJournal<string>();
 * await journal.append("door", "opened"); // it is durable now
 * const lost = journal.append("door", "closed").catch((error) => error.code);
 * database.crash();
 * console.log(await lost); // CLOSED
 *
 * await using second = await database.open();
 * const entries = await second.createMessageJournal<string>().readFrom("door", 0);
 * console.log(entries.map(({ message }) => message)); // ["opened"]
 * ```
 */
export class TestDatabase {
  /** The clock of all its providers. */
  readonly clock: TestClock;
  readonly #database = new MemoryDatabase();
  readonly #processes: Process[] = [];

  /**
   * Creates an empty database.
   *
   * @param clock The clock of its providers; by default one of its own.
   */
  constructor(clock: TestClock = new TestClock()) {
    this.clock = clock;
  }

  /**
   * Opens a provider on what has been committed.
   *
   * @param options Those of any provider. Its clock is that of the database in any case.
   * @returns The provider.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid or
   *   unknown.
   * @throws {PersistenceError} `CODEC_MISMATCH` if the database was written with another codec.
   */
  async open(options: ProviderOptions = {}): Promise<PersistenceProvider> {
    const storage = await MemoryStorage.open({ database: this.#database });
    const clock = new ProcessClock(this.clock);
    const provider = await MemoryPersistenceProvider.openOn(storage, {
      ...options,
      runtime: { ...options.runtime, clock },
    });
    this.#processes.push({ storage, clock, provider });
    return provider;
  }

  /**
   * Ends all open providers at once, as if their processes had been killed. What has not been committed
   * is gone, and what waits for it is rejected with `CLOSED`, as every later call is. Their background
   * work ends: nothing is passivated, saved or delivered any more. Objects that use them, such as
   * actors, are not stopped, but can change nothing any more.
   */
  crash(): void {
    for (const { storage, clock, provider } of this.#processes.splice(0)) {
      // A commit is carried out when it is called, so there is none that has begun and not ended.
      void storage.close();
      clock.endBackgroundWork();
      // What waits for room or for a batch would wait for ever.
      void provider.close();
    }
  }
}

/** What ends with a process. */
interface Process {
  readonly storage: MemoryStorage;
  readonly clock: ProcessClock;
  readonly provider: PersistenceProvider;
}

/** The clock of a test, as long as a process lives. */
class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #background = new Set<Timer>();
  #hasEnded = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  setTimer(callback: () => void, delayMs: number, keepsAlive: boolean): Timer {
    // Callers wait for such a timer, and after a crash they have to be rejected.
    if (keepsAlive) return this.#clock.setTimer(callback, delayMs, keepsAlive);
    if (this.#hasEnded) return { cancel() {} };
    const timer = this.#clock.setTimer(
      () => {
        this.#background.delete(timer);
        callback();
      },
      delayMs,
      keepsAlive,
    );
    this.#background.add(timer);
    return {
      cancel: () => {
        timer.cancel();
        this.#background.delete(timer);
      },
    };
  }

  endBackgroundWork(): void {
    this.#hasEnded = true;
    for (const timer of this.#background) timer.cancel();
    this.#background.clear();
  }
}
