import { PersistenceError } from "../../core/errors.ts";
import type {
  ScanRange,
  Space,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../core/storage.ts";
import { KeptOpenStorage } from "../conformance/observed_storage.ts";
import type { Random } from "../conformance/random.ts";
import { type ChaosRates, ChaosStorage } from "./chaos_storage.ts";

/**
 * A storage for one life of a process: it is slow and fails now and then, and from the crash on it
 * gives no answer any more. What was being committed then may take effect or not.
 */
export class CrashingStorage implements Storage {
  readonly name = "crashing";
  readonly supports: StorageSupports;
  readonly #random: Random;
  readonly #rates: { failedCommits: number; failedReads: number };
  readonly #inner: ChaosStorage;
  #crashed = false;

  /** @param disk What survives. It is not closed. */
  constructor(disk: Storage, random: Random, rates: ChaosRates) {
    this.#random = random;
    this.#rates = { ...rates };
    this.#inner = new ChaosStorage(new KeptOpenStorage(disk), random, this.#rates);
    this.supports = disk.supports;
  }

  /** Ends this life. Resolves when what was being committed has taken effect, or has not. */
  async crash(): Promise<void> {
    this.#crashed = true;
    this.#rates.failedCommits = this.#random.below(2) * 100;
    await this.#inner.close();
  }

  async get(space: Space, key: Uint8Array): Promise<StoredEntry | undefined> {
    return await this.#alive(() => this.#inner.get(space, key));
  }

  async scan(space: Space, range: ScanRange): Promise<StoredEntry[]> {
    return await this.#alive(() => this.#inner.scan(space, range));
  }

  async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    return await this.#alive(() => this.#inner.commit(groups));
  }

  async sync(): Promise<void> {
    await this.#alive(() => this.#inner.sync());
  }

  async stats(): Promise<StorageStats> {
    return await this.#alive(() => this.#inner.stats());
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #alive<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    this.#assertAlive();
    try {
      return await call();
    } finally {
      // Whatever the answer was, nobody is there to hear it.
      this.#assertAlive();
    }
  }

  /** With this code whoever is left behind gives up, instead of trying again. */
  #assertAlive(): void {
    if (this.#crashed) throw new PersistenceError("CLOSED", "Cannot go on: the process is dead");
  }
}
