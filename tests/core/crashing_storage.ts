import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type {
  Keyspace,
  ScanRange,
  Storage,
  StorageStats,
  StoredEntry,
  WriteGroup,
} from "../../core/ports/storage.ts";
import type { MaybePromise } from "../../core/util/promises.ts";
import { ForwardingStorage } from "../conformance/forwarding_storage.ts";
import { KeptOpenStorage } from "../conformance/observed_storage.ts";
import type { Random } from "../conformance/random.ts";
import { type ChaosRates, ChaosStorage } from "./chaos_storage.ts";

/**
 * A storage for one life of a process: it is slow and fails now and then, and after the crash it no
 * longer answers. What was being committed at the crash may take effect or not.
 */
export class CrashingStorage extends ForwardingStorage {
  readonly #random: Random;
  readonly #rates: { failedCommits: number; failedReads: number };
  #crashed = false;

  /** @param disk What survives. It is not closed. */
  constructor(disk: Storage, random: Random, rates: ChaosRates) {
    const changing = { ...rates };
    super(new ChaosStorage(new KeptOpenStorage(disk), random, changing));
    this.#random = random;
    this.#rates = changing;
  }

  /** Ends this life. Resolves when what was being committed has taken effect, or has not. */
  async crash(): Promise<void> {
    this.#crashed = true;
    this.#rates.failedCommits = this.#random.below(2) * 100;
    await this.close();
  }

  override async get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    return await this.#alive(() => super.get(keyspace, key));
  }

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    return await this.#alive(() => super.scan(keyspace, range));
  }

  override async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    return await this.#alive(() => super.commit(groups));
  }

  override async sync(): Promise<void> {
    await this.#alive(() => super.sync());
  }

  override async stats(): Promise<StorageStats> {
    return await this.#alive(() => super.stats());
  }

  async #alive<Answer>(call: () => MaybePromise<Answer>): Promise<Answer> {
    this.#assertAlive();
    try {
      return await call();
    } finally {
      // After a crash no answer reaches the caller, whatever it was.
      this.#assertAlive();
    }
  }

  /** With this code callers that are left from before the crash give up, instead of trying again. */
  #assertAlive(): void {
    if (this.#crashed) throw new PersistenceError("CLOSED", "Cannot go on: the process is dead");
  }
}
