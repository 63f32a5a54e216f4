import type { Keyspace, ScanRange, StoredEntry, WriteGroup } from "../../core/ports/storage.ts";
import type { MaybePromise } from "../../core/util/promises.ts";
import { ForwardingStorage } from "./forwarding_storage.ts";

/**
 * A storage that lets a test watch the calls it passes on, hold commits back, and make them fail.
 * Core must behave on it as on any other.
 */
export class ObservedStorage extends ForwardingStorage {
  /** The bytes of all values that scans have given. */
  scannedBytes = 0;
  /** The commits that have been called. */
  commits = 0;
  /**
   * Asked before each commit is passed on.
   *
   * @param groups The groups of the commit.
   * @returns The error to reject it with, or `undefined` to let it pass.
   */
  failCommit: (groups: readonly WriteGroup[]) => Error | undefined = () => undefined;
  /** The error that each read is rejected with, if any. */
  readError: Error | undefined;

  #gate: Promise<void> = Promise.resolve();
  #held: (() => void)[] = [];
  #holding = 0;

  /**
   * From now on commits wait.
   *
   * @returns What lets them go, in order.
   */
  holdCommits(): () => void {
    let release = () => {};
    this.#gate = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  /** Resolves when a commit is being held. */
  commitHeld(): Promise<void> {
    if (this.#holding > 0) return Promise.resolve();
    return new Promise((resolve) => this.#held.push(resolve));
  }

  override get(keyspace: Keyspace, key: Uint8Array): MaybePromise<StoredEntry | undefined> {
    if (this.readError) return Promise.reject(this.readError);
    return super.get(keyspace, key);
  }

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    if (this.readError) throw this.readError;
    const page = await super.scan(keyspace, range);
    for (const { value } of page) this.scannedBytes += value.length;
    return page;
  }

  override async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    this.commits++;
    this.#holding++;
    for (const resolve of this.#held.splice(0)) resolve();
    await this.#gate;
    this.#holding--;
    const failure = this.failCommit(groups);
    if (failure) throw failure;
    return await super.commit(groups);
  }
}

/** An observed storage that a provider cannot close: the test looks into it afterwards. */
export class KeptOpenStorage extends ObservedStorage {
  /** Does nothing. */
  override close(): Promise<void> {
    return Promise.resolve();
  }
}
