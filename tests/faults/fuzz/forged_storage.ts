import type {
  ScanRange,
  Storage,
  StorageStats,
  StorageSupports,
  StoredEntry,
  WriteGroup,
} from "../../../core/ports/storage.ts";

const REMOVAL_KEY_PREFIX = 0x05;

/** A storage that holds one entry, which is whatever a test says, wherever it is looked for. */
export class ForgedStorage implements Storage {
  readonly name = "forged";
  readonly supports: StorageSupports = {
    reopen: false,
    processCrash: false,
    multipleProcesses: false,
    readOnly: false,
    sizeLimit: false,
  };
  /** The entry. */
  entry: StoredEntry | undefined;

  constructor(entry: StoredEntry | undefined) {
    this.entry = entry;
  }

  /** No actor is being removed: what is forged is to be looked at. */
  get(keyspace: string, key: Uint8Array): StoredEntry | undefined {
    return keyspace === "meta" && key[0] === REMOVAL_KEY_PREFIX ? undefined : this.entry;
  }

  /** Keys are looked at beside the place of an entry: there it is, unless the entry was found. */
  scan(_keyspace: string, { keysOnly = false }: ScanRange): StoredEntry[] {
    return this.entry && !(keysOnly && this.entry.value.length > 0) ? [this.entry] : [];
  }

  commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    return Promise.resolve(groups.map(() => true));
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  stats(): StorageStats {
    const entries = { meta: 0, log: 0, heads: 0, entries: 0, snapshots: 0, outbox: 0 };
    return { entries, usedBytes: 0, limitBytes: undefined };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
