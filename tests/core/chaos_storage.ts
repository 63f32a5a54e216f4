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
import type { Random } from "../conformance/random.ts";

/** How often, in a hundred calls, a {@linkcode ChaosStorage} does what. */
export interface ChaosRates {
  /** Commits that fail, without effect. */
  readonly failedCommits: number;
  /** Reads that fail. */
  readonly failedReads: number;
}

/**
 * A storage that answers late, and now and then not at all. Commits take effect in the order of the
 * calls, as the port demands.
 */
export class ChaosStorage implements Storage {
  readonly name = "chaos";
  readonly supports: StorageSupports;
  /** Commits that failed. */
  failures = 0;

  readonly #inner: Storage;
  readonly #random: Random;
  readonly #rates: ChaosRates;
  #lastCommit: Promise<unknown> = Promise.resolve();

  constructor(inner: Storage, random: Random, rates: ChaosRates) {
    this.#inner = inner;
    this.#random = random;
    this.#rates = rates;
    this.supports = inner.supports;
  }

  async get(space: Space, key: Uint8Array): Promise<StoredEntry | undefined> {
    await this.#read();
    return await this.#inner.get(space, key);
  }

  async scan(space: Space, range: ScanRange): Promise<StoredEntry[]> {
    await this.#read();
    return await this.#inner.scan(space, range);
  }

  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const commit = this.#lastCommit.then(async () => {
      await this.#delay();
      if (this.#random.below(100) < this.#rates.failedCommits) {
        this.failures++;
        throw new PersistenceError("STORAGE_FAILED", "chaos");
      }
      const applied = await this.#inner.commit(groups);
      await this.#delay();
      return applied;
    });
    this.#lastCommit = commit.catch(() => {
      // Told to the caller.
    });
    return commit;
  }

  sync(): Promise<void> {
    return this.#inner.sync();
  }

  async stats(): Promise<StorageStats> {
    return await this.#inner.stats();
  }

  async close(): Promise<void> {
    await this.#lastCommit;
    await this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(): Promise<void> {
    await this.#delay();
    if (this.#random.below(100) < this.#rates.failedReads) {
      throw new PersistenceError("STORAGE_FAILED", "chaos");
    }
  }

  /** A few microtasks, and now and then a turn of the event loop. */
  async #delay(): Promise<void> {
    for (let left = this.#random.below(6); left > 0; left--) await undefined;
    if (this.#random.below(20) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
