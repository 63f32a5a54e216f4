import type {
  Keyspace,
  ScanRange,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../core/ports/storage.ts";
import type { MaybePromise } from "../../core/util/promises.ts";

/** A storage that passes every call on to another one. A subclass overrides only what it changes. */
export class ForwardingStorage implements Storage {
  /** What every call is passed on to. */
  readonly inner: Storage;
  readonly name: string;
  readonly supports: StorageSupports;

  /** @param inner What every call is passed on to. */
  constructor(inner: Storage) {
    this.inner = inner;
    this.name = inner.name;
    this.supports = inner.supports;
  }

  get(keyspace: Keyspace, key: Uint8Array): MaybePromise<StoredEntry | undefined> {
    return this.inner.get(keyspace, key);
  }

  scan(keyspace: Keyspace, range: ScanRange): MaybePromise<StoredEntry[]> {
    return this.inner.scan(keyspace, range);
  }

  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    return this.inner.commit(groups);
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
