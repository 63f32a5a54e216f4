import { PersistenceError } from "../core/errors.ts";
import type {
  ScanRange,
  Space,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../core/storage.ts";
import { type Random, randomFrom } from "./conformance/random.ts";

/**
 * A storage that passes everything on to another one, but answers each call only after a random
 * delay, before and after the other one has done it. So nothing that is built on it can lean on
 * reads that answer at once, or on answers that come in the order of the calls. Commits take effect
 * in the order of the calls all the same: the port promises that.
 */
export class DelayedStorage implements Storage {
  readonly name: string;
  readonly supports: StorageSupports;

  readonly #inner: Storage;
  readonly #random: Random;
  readonly #underWay = new Set<Promise<unknown>>();
  #lastCommit: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * @param inner What everything is passed on to.
   * @param seed Decides the delays.
   */
  constructor(inner: Storage, seed: number) {
    this.#inner = inner;
    this.#random = randomFrom(seed);
    this.name = inner.name;
    this.supports = inner.supports;
  }

  get(space: Space, key: Uint8Array): Promise<StoredEntry | undefined> {
    return this.#delayed("read", () => this.#inner.get(space, key));
  }

  scan(space: Space, range: ScanRange): Promise<StoredEntry[]> {
    return this.#delayed("scan", () => this.#inner.scan(space, range));
  }

  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const before = this.#lastCommit;
    let passOn = () => {};
    this.#lastCommit = new Promise((resolve) => {
      passOn = resolve;
    });
    return this.#delayed("commit", async () => {
      await before;
      try {
        return await this.#inner.commit(groups);
      } finally {
        passOn();
      }
    });
  }

  sync(): Promise<void> {
    return this.#delayed("sync", () => this.#inner.sync());
  }

  stats(): Promise<StorageStats> {
    return this.#delayed("read statistics", () => this.#inner.stats());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#inner.close();
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
    const choice = this.#random.below(50);
    if (choice === 0) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(4)));
    } else if (choice < 5) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    } else {
      for (let turns = this.#random.below(12); turns > 0; turns--) await undefined;
    }
  }
}
