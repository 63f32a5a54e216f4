import type {
  MaybePromise,
  ScanRange,
  Space,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../core/storage.ts";

/**
 * A storage that passes everything on to another one, and lets a test watch it, hold commits back,
 * and make them fail. Core must behave on it as on any other.
 */
export class ObservedStorage implements Storage {
  /** What everything is passed on to. */
  readonly inner: Storage;
  readonly name: string;
  readonly supports: StorageSupports;
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

  /** @param inner What everything is passed on to. */
  constructor(inner: Storage) {
    this.inner = inner;
    this.name = inner.name;
    this.supports = inner.supports;
  }

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

  get(space: Space, key: Uint8Array): MaybePromise<StoredEntry | undefined> {
    if (this.readError) return Promise.reject(this.readError);
    return this.inner.get(space, key);
  }

  async scan(space: Space, range: ScanRange): Promise<StoredEntry[]> {
    if (this.readError) throw this.readError;
    const page = await this.inner.scan(space, range);
    for (const { value } of page) this.scannedBytes += value.length;
    return page;
  }

  async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    this.commits++;
    this.#holding++;
    for (const resolve of this.#held.splice(0)) resolve();
    await this.#gate;
    this.#holding--;
    const failure = this.failCommit(groups);
    if (failure) throw failure;
    return await this.inner.commit(groups);
  }

  sync(): Promise<void> {
    return this.inner.sync();
  }

  stats(): MaybePromise<StorageStats> {
    return this.inner.stats();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** An observed storage that a provider cannot close: the test looks into it afterwards. */
export class KeptOpenStorage extends ObservedStorage {
  /** Does nothing. */
  override close(): Promise<void> {
    return Promise.resolve();
  }
}
