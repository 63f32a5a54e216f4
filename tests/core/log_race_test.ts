import assert from "node:assert/strict";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import type { Keyspace, ScanRange, StoredEntry } from "../../core/ports/storage.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { collectLog } from "../conformance/collect_log.ts";
import { ForwardingStorage } from "../conformance/forwarding_storage.ts";
import { test } from "../harness.ts";

/** So long that it stands in a frame at once. */
const LONG = "x".repeat(20_000);

/** A storage that lets something happen before a read is carried out, once. */
class InterposedStorage extends ForwardingStorage {
  before: { readonly keyspace: Keyspace; readonly run: () => Promise<unknown> } | undefined;

  override async get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    await this.#interpose(keyspace);
    return await super.get(keyspace, key);
  }

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    await this.#interpose(keyspace);
    return await super.scan(keyspace, range);
  }

  async #interpose(keyspace: Keyspace): Promise<void> {
    if (this.before?.keyspace !== keyspace) return;
    const { run } = this.before;
    this.before = undefined;
    await run();
  }
}

/** A process whose reads can be interposed, and another one. */
async function twoProcesses() {
  const database = new MemoryDatabase();
  const open = () => MemoryStorage.open({ database });
  const storage = new InterposedStorage(await open());
  const journal = (await PersistenceProvider.openOn(storage)).createMessageJournal<string>();
  const other = await PersistenceProvider.openOn(await open());
  return {
    storage,
    journal,
    other,
    others: other.createMessageJournal<string>(),
    collect: async () => await collectLog(await open()),
  };
}

test("a journal that begins while it is looked for is not taken for one that has lost its head", async () => {
  for (const call of ["read", "append"] as const) {
    const { storage, journal, others } = await twoProcesses();
    storage.before = {
      keyspace: "entries",
      run: async () => {
        await others.append("a", LONG);
        // Another read of this process follows the log meanwhile.
        await journal.getHighestSequenceNumber("b");
      },
    };
    if (call === "append") assert.equal(await journal.append("a", "next"), 1);
    const expected = call === "append" ? [LONG, "next"] : [LONG];
    assert.deepEqual((await journal.readFrom("a", 0)).map(({ message }) => message), expected);
  }
});

test("a journal that is deleted and collected while it is read is empty, not damaged", async () => {
  for (const call of ["read", "append"] as const) {
    const { storage, journal, other, others, collect } = await twoProcesses();
    await others.appendBatch("a", ["0", "1"]);
    await collect();
    await others.append("a", "2");
    storage.before = {
      keyspace: "heads",
      run: async () => {
        await other.deleteActor("a");
        await collect();
      },
    };
    if (call === "append") assert.equal(await journal.append("a", "new"), 0);
    const expected = call === "append" ? ["new"] : [];
    assert.deepEqual((await journal.readFrom("a", 0)).map(({ message }) => message), expected);
  }
});
