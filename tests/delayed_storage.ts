import { setImmediate } from "node:timers";
import { PersistenceError } from "../core/errors/persistence_error.ts";
import type {
  Keyspace,
  ScanRange,
  Storage,
  StorageStats,
  StoredEntry,
  WriteGroup,
} from "../core/ports/storage.ts";
import { ForwardingStorage } from "./conformance/forwarding_storage.ts";
import { type Random, randomFrom } from "./conformance/random.ts";

/**
 * A storage that waits at random before it passes a call on, and again before it answers. So nothing
 * that is built on it can lean on reads that answer at once, or on answers that come in the order of
 * the calls. Commits take effect in the order of the calls all the same: the port promises that.
 */
export class DelayedStorage extends ForwardingStorage {
  readonly #random: Random;
  readonly #underWay = new Set<Promise<unknown>>();
  #lastCommit: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param inner What every call is passed on to.
   * @param seed Decides the delays.
   */
  constructor(inner: Storage, seed: number) {
    super(inner);
    this.#random = randomFrom(seed);
  }

  override get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    return this.#delayed("read", () => super.get(keyspace, key));
  }

  override scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    return this.#delayed("scan", () => super.scan(keyspace, range));
  }

  override commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const before = this.#lastCommit;
    let passOn = () => {};
    this.#lastCommit = new Promise((resolve) => {
      passOn = resolve;
    });
    return this.#delayed("commit", async () => {
      await before;
      try {
        return await super.commit(groups);
      } finally {
        passOn();
      }
    });
  }

  override sync(): Promise<void> {
    return this.#delayed("sync", () => super.sync());
  }

  override stats(): Promise<StorageStats> {
    return this.#delayed("read statistics", () => super.stats());
  }

  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await super.close();
  }

  #delayed<Answer>(operation: string, call: () => Answer | Promise<Answer>): Promise<Answer> {
    if (this.#closing) {
      const message = `Cannot ${operation}: the storage is closed`;
      return Promise.reject(new PersistenceError("CLOSED", message));
    }
    const answer = this.#answerLate(call);
    this.#underWay.add(answer);
    const forget = () => this.#underWay.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  async #answerLate<Answer>(call: () => Answer | Promise<Answer>): Promise<Answer> {
    await this.#delay();
    try {
      return await call();
    } finally {
      await this.#delay();
    }
  }

  /** Mostly a few turns of the microtask queue, sometimes one of the event loop, seldom a time. */
  async #delay(): Promise<void> {
    const choice = this.#random.below(100);
    if (choice === 0) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(4)));
    } else if (choice < 10) {
      // Not a timer, which would take a millisecond at the least.
      await new Promise<void>((resolve) => setImmediate(resolve));
    } else {
      for (let turns = this.#random.below(6); turns > 0; turns--) await undefined;
    }
  }
}
