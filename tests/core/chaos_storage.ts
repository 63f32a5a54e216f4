import { setImmediate } from "node:timers/promises";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type {
  Keyspace,
  ScanRange,
  Storage,
  StoredEntry,
  WriteGroup,
} from "../../core/ports/storage.ts";
import { ForwardingStorage } from "../conformance/forwarding_storage.ts";
import type { Random } from "../conformance/random.ts";

/** How many of a hundred calls to a {@linkcode ChaosStorage} fail. */
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
export class ChaosStorage extends ForwardingStorage {
  /** Commits that failed. */
  failures = 0;

  readonly #random: Random;
  readonly #rates: ChaosRates;
  #lastCommit: Promise<unknown> = Promise.resolve();

  constructor(inner: Storage, random: Random, rates: ChaosRates) {
    super(inner);
    this.#random = random;
    this.#rates = rates;
  }

  override async get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    await this.#read();
    return await super.get(keyspace, key);
  }

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    await this.#read();
    return await super.scan(keyspace, range);
  }

  override commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const commit = this.#lastCommit.then(async () => {
      await this.#delay();
      if (this.#random.below(100) < this.#rates.failedCommits) {
        this.failures++;
        throw new PersistenceError("STORAGE_FAILED", "chaos");
      }
      const applied = await super.commit(groups);
      await this.#delay();
      return applied;
    });
    this.#lastCommit = commit.catch(() => {
      // The caller gets it.
    });
    return commit;
  }

  override async close(): Promise<void> {
    await this.#lastCommit;
    await super.close();
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
    if (this.#random.below(20) === 0) await setImmediate();
  }
}
