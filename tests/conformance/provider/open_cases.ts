import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import {
  assertFails,
  assertRefused,
  casesOf,
  withPlace,
  withProvider,
  withStorage,
} from "../fixture.ts";
import { bad, BAD_OPTIONS } from "../ids.ts";
import { asciiCodec, messagesOf } from "../journal/fixture.ts";
import { KeptOpenStorage, ObservedStorage } from "../observed_storage.ts";
import { bytesOf, commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about opening a provider. */
export function describeOpening(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "provider", withProvider());
  const onStorage = casesOf(options, "provider", withStorage);
  const inPlace = casesOf(options, "provider", withPlace);
  const { factory } = options;

  onProvider("it has the name of its storage, and supports the same", (provider, storage) => {
    assert.equal(provider.name, storage.name);
    assert.deepEqual({ ...provider.supports }, { ...factory.supports });
    return Promise.resolve();
  });

  inPlace("options that are no object are refused, and the storage is closed", async (place) => {
    for (const [, value] of BAD_OPTIONS) {
      const storage = await place.openStorage();
      await assertRefused(() => PersistenceProvider.openOn(storage, bad(value)), "type");
      await assertFails(() => storage.get("meta", bytesOf("a")), "CLOSED");
    }
  });

  for (
    const [name, highest] of [
      ["maxMessageBytes", 2 ** 30],
      ["maxSnapshotBytes", 2 ** 30],
      ["maxPendingBytes", 2 ** 30],
      ["maxPendingMessages", Number.MAX_SAFE_INTEGER],
    ] as const
  ) {
    onStorage(`${name} is an integer from 1 to ${highest}`, async (inner) => {
      const storage = new KeptOpenStorage(inner);
      const open = (value: unknown) => PersistenceProvider.openOn(storage, { [name]: value });
      for (const good of [1, 1_000, highest, undefined]) await (await open(good)).close();
      for (const value of [0, -1, 1.5, NaN, Infinity, highest + 1]) {
        const { message } = await assertRefused(() => open(value), "range");
        assert.ok(message.includes(name) && message.includes(`${value}`), message);
      }
      for (const value of ["5", 5n, {}, true]) await assertRefused(() => open(value), "type");
    });
  }

  onStorage("backpressure is wait or reject", async (inner) => {
    const storage = new KeptOpenStorage(inner);
    const open = (backpressure: unknown) =>
      PersistenceProvider.openOn(storage, { backpressure: bad(backpressure) });
    for (const good of ["wait", "reject", undefined]) await (await open(good)).close();
    for (const value of ["", "Wait", "drop"]) await assertRefused(() => open(value), "range");
  });

  onStorage("a codec without its methods, or with a bad name, is refused", async (inner) => {
    const storage = new KeptOpenStorage(inner);
    const open = (codec: unknown) => PersistenceProvider.openOn(storage, { codec: bad(codec) });
    const { encode, decode } = asciiCodec();
    for (const codec of ["ascii", {}, { name: "x", encode }, { name: "x", decode }]) {
      await assertRefused(() => open(codec), "type");
    }
    for (const name of ["", "A", "a b", "\u{e9}", "x".repeat(65)]) {
      await assertRefused(() => open({ name, encode, decode }), "range");
    }
    assert.deepEqual(await storage.scan("meta", EVERYTHING), [], "nothing is stored");
    await (await open({ name: "a.b_c+d-9".padEnd(64, "x"), encode, decode })).close();
  });

  onStorage("a storage with data but without its mark is CORRUPT", async (inner) => {
    const storage = new KeptOpenStorage(inner);
    const provider = await PersistenceProvider.openOn(storage);
    await provider.createMessageJournal().append("a", "x");
    await provider.close();
    for (const { key } of await inner.scan("meta", EVERYTHING)) {
      await commit(inner, remove(key, "meta"));
    }
    await assertFails(() => PersistenceProvider.openOn(storage), "CORRUPT");
  });

  onStorage("a storage whose mark is damaged is CORRUPT", async (inner) => {
    const storage = new KeptOpenStorage(inner);
    await (await PersistenceProvider.openOn(storage)).close();
    const [mark] = await inner.scan("meta", EVERYTHING);
    assert.ok(mark);
    for (const offset of mark.value.keys()) {
      const value = mark.value.map((byte, index) => index === offset ? byte ^ 0x20 : byte);
      await commit(inner, put(mark.key, value, { keyspace: "meta", version: mark.version }));
      await assertFails(() => PersistenceProvider.openOn(storage), "CORRUPT");
    }
    await commit(inner, put(mark.key, mark.value, { keyspace: "meta", version: mark.version }));
    await (await PersistenceProvider.openOn(storage)).close();
  });

  inPlace("an error of the storage is told, and the storage is closed", async (place) => {
    const inner = await place.openStorage();
    const storage = new ObservedStorage(inner);
    storage.failCommit = () => new PersistenceError("STORAGE_FULL", "Cannot commit: full");
    await assertFails(() => PersistenceProvider.openOn(storage), "STORAGE_FULL");
    await assertFails(() => inner.get("meta", bytesOf("a")), "CLOSED");
  });
}

/** Registers the cases about the codec of a provider. */
export function describeCodec(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "provider codec", withStorage);

  onStorage(
    "data of one codec is not opened with another: CODEC_MISMATCH names both",
    async (inner) => {
      const storage = new KeptOpenStorage(inner);
      const first = await PersistenceProvider.openOn(storage, { codec: asciiCodec("one") });
      await first.createMessageJournal().append("a", "x");
      await first.close();
      const open = (name: string) =>
        PersistenceProvider.openOn(storage, { codec: asciiCodec(name) });
      for (const name of ["two", "on", "one1"]) {
        const error = await assertFails(() => open(name), "CODEC_MISMATCH");
        assert.ok(error.message.includes('"one"') && error.message.includes(`"${name}"`));
      }
      await assertFails(() => PersistenceProvider.openOn(storage), "CODEC_MISMATCH");
      const again = await open("one");
      assert.deepEqual(await messagesOf(again.createMessageJournal()), ["x"]);
    },
  );

  onStorage("it is refused also if nothing was written yet but by opening", async (inner) => {
    const storage = new KeptOpenStorage(inner);
    await (await PersistenceProvider.openOn(storage, { codec: asciiCodec("one") })).close();
    const codec = asciiCodec("two");
    await assertFails(() => PersistenceProvider.openOn(storage, { codec }), "CODEC_MISMATCH");
  });

  onStorage("it encodes and decodes messages and states", async (storage) => {
    const { encode } = asciiCodec();
    const reversing = {
      name: "reversing",
      encode: (value: unknown) => Uint8Array.from(encode(value)).reverse(),
      decode: (bytes: Uint8Array) => new TextDecoder().decode(Uint8Array.from(bytes).reverse()),
    };
    await using provider = await PersistenceProvider.openOn(storage, { codec: reversing });
    const journal = provider.createMessageJournal<unknown>();
    const snapshots = provider.createSnapshotStore<unknown>();
    await journal.appendBatch("a", ["abc", "", "xyz"]);
    await snapshots.saveSnapshot("a", "state", 2);
    assert.deepEqual(await messagesOf(journal), ["abc", "", "xyz"]);
    assert.equal((await snapshots.getLatestSnapshot("a"))?.state, "state");
    const [record] = await storage.scan("log", EVERYTHING);
    assert.ok(new TextDecoder().decode(record?.value).includes("cba"));
  });
}
