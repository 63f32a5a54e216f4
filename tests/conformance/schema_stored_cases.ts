import assert from "node:assert/strict";
import type { Codec } from "../../core/codec.ts";
import { JsonCodec } from "../../core/json_codec.ts";
import type { MessageJournal } from "../../core/journal.ts";
import { MessagePackCodec } from "../../core/msgpack_codec.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { casesOf, outcomesOf, range, withPlace, withStorage } from "./fixture.ts";
import { asciiCodec, type JournalKind, messagesOf, withJournal } from "./journal_fixture.ts";
import { withRandom } from "./random.ts";
import { CART, CART_STATE, textSchema, withChange } from "./schema_fixture.ts";
import { PLAIN_RECORDS, type StoredRecord, TAGGED_RECORDS } from "./schema_records.ts";
import { bytesOfHex, EVERYTHING, put } from "./storage_fixture.ts";
import type { ConformanceOptions } from "./types.ts";

const CODECS: readonly Codec[] = [new MessagePackCodec(), new JsonCodec()];

/** Registers the cases about data that older code has written. */
export function describeStoredGenerations(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} schema stored`;
  const onStorage = casesOf(options, suite, withStorage);
  const onPlace = casesOf(options, suite, withPlace, "reopen");
  const check = casesOf(options, suite, withJournal(kind));

  for (const codec of CODECS) {
    onStorage(`what was stored before there were schemas is upcast, in ${codec.name}`, async (
      storage,
    ) => {
      await storage.commit([{ conditions: [], changes: changesOf(PLAIN_RECORDS, codec) }]);
      await using provider = await PersistenceProvider.openOn(storage, { codec });
      const journal = kind.create(provider, undefined, CART);
      const added = { type: "item added", quantity: 1 } as const;
      assert.deepEqual(await messagesOf(journal, "cart-1"), [
        { ...added, sku: "pen", cents: 150 },
        { ...added, sku: "ink", cents: 1200 },
        { type: "item removed", sku: "pen" },
        { ...added, sku: "cap", cents: 300 },
      ]);
      const snapshots = provider.createSnapshotStore({ schema: CART_STATE });
      const latest = await snapshots.getLatestSnapshot("cart-1");
      assert.deepEqual([latest?.state, latest?.sequenceNumber, latest?.schema], [
        { skus: ["ink"], cents: 1200 },
        2,
        undefined,
      ]);
      const pen = { ...added, sku: "pen", quantity: 7, cents: 150 };
      assert.equal(await journal.append("cart-1", pen), 4);
      await snapshots.saveSnapshot("cart-1", { skus: ["ink", "pen"], cents: 2250 }, 4);
      assert.deepEqual((await journal.readFrom("cart-1", 4))[0]?.message, pen);
      for (const { space, key, value } of recordsOf(PLAIN_RECORDS, codec)) {
        if (space === "heads") continue;
        const stored = await storage.get(space, key);
        assert.deepEqual(
          Uint8Array.from(stored?.value ?? []),
          value,
          "old data is never rewritten",
        );
      }
    });

    onStorage(`what was stored with the first schemas can still be read, in ${codec.name}`, async (
      storage,
    ) => {
      await storage.commit([{ conditions: [], changes: changesOf(TAGGED_RECORDS, codec) }]);
      await using provider = await PersistenceProvider.openOn(storage, { codec });
      const journal = kind.create(provider, undefined, CART);
      const entries = await journal.readFrom("cart-1", 0);
      assert.deepEqual(entries.map(({ message, schema }) => [message, schema?.version]), [
        [{ type: "item added", sku: "pen", quantity: 1, cents: 150 }, 1],
        [{ type: "item added", sku: "ink", quantity: 2, cents: 1200 }, 2],
        [{ type: "item removed", sku: "pen" }, 1],
        [{ type: "item added", sku: "cap", quantity: 1, cents: 300 }, 3],
      ]);
      const snapshots = provider.createSnapshotStore({ schema: CART_STATE });
      const latest = await snapshots.getLatestSnapshot("cart-1");
      assert.deepEqual([latest?.state, latest?.schema?.version], [
        { skus: ["ink"], cents: 1200 },
        1,
      ]);
    });
  }

  for (const codec of [...CODECS, asciiCodec()]) {
    onPlace(`old and new messages are there after reopening, in ${codec.name}`, async (place) => {
      for (const version of range(1, 3)) {
        await using provider = await PersistenceProvider.openOn(await place.openStorage(), {
          codec,
        });
        const journal = kind.create(provider, undefined, textSchema(version));
        await journal.appendBatch("a", [`${version}`, "x"]);
        await provider.createSnapshotStore({ schema: textSchema(version) })
          .saveSnapshot("a", `${version}`, version);
        await provider.createSnapshotStore({ schema: textSchema(version), keep: 9 }).close();
      }
      await using provider = await PersistenceProvider.openOn(await place.openStorage(), { codec });
      const journal = kind.create(provider, undefined, textSchema(3));
      const texts = ["1 → 2 → 3", "x → 2 → 3", "2 → 3", "x → 3", "3", "x"];
      assert.deepEqual(await messagesOf(journal), texts);
      const snapshots = provider.createSnapshotStore({ schema: textSchema(3) });
      const oldest = await snapshots.getLatestSnapshot("a", { maxSequenceNumber: 1 });
      assert.equal(oldest?.state, "1 → 2 → 3");
    });
  }

  check("whatever generations write at once, each message comes back as its own", async (
    plain,
    scene,
  ) => {
    await withRandom(undefined, async (random) => {
      const journals: MessageJournal<unknown>[] = [
        plain,
        ...range(1, 3).map((version) => scene.create(undefined, textSchema(version))),
      ];
      const suffixes = [" → 2 → 3", " → 2 → 3", " → 3", ""];
      const expected: string[] = [];
      const calls: Promise<unknown>[] = [];
      for (const index of range(0, 399)) {
        const generation = random.below(journals.length);
        const journal = journals[generation] ?? plain;
        // Some are long, so that they fill frames.
        const text = `${index}`.padEnd(1 + random.below(random.below(20) === 0 ? 9_000 : 50), ".");
        const texts = Array.from({ length: 1 + random.below(3) }, () => text);
        const options = random.below(5) === 0 ? { expectedSequenceNumber: 1_000_000 } : {};
        calls.push(
          texts.length === 1
            ? journal.append("a", text, options)
            : journal.appendBatch("a", texts, options),
        );
        if (options.expectedSequenceNumber === undefined) {
          expected.push(...texts.map((one) => one + suffixes[generation]));
        }
        if (random.below(40) === 0) await outcomesOf(calls.splice(0));
      }
      await outcomesOf(calls);
      const unversioned = { name: "text", version: 1 };
      const newest = scene.create(undefined, withChange(textSchema(3), { unversioned }));
      assert.deepEqual(await messagesOf(newest), expected);
      for (const _ of range(1, 20)) {
        const from = random.below(expected.length);
        const [entry] = await newest.readFrom("a", from, { limit: 1 });
        assert.equal(entry?.message, expected[from]);
      }
      await newest.truncateBefore("a", 100);
      assert.deepEqual(await messagesOf(newest), expected.slice(100));
    });
  });

  check("a journal without a schema stores not a byte more than before", async (
    journal,
    { storage },
  ) => {
    for (const message of [1, 2]) await journal.append("a", message);
    for (const { value } of await storage.scan("entries", EVERYTHING)) {
      const [versionOffset, envelopeAndHeaders] = [4, 5 + 12 + 2];
      assert.deepEqual([value[versionOffset], value.length], [1, envelopeAndHeaders + 1]);
    }
  });
}

function recordsOf(records: Readonly<Record<string, readonly StoredRecord[]>>, codec: Codec) {
  return (records[codec.name] ?? assert.fail()).map(([space, version, key, value]) => ({
    space,
    version,
    key: bytesOfHex(key),
    value: bytesOfHex(value),
  }));
}

function changesOf(records: Readonly<Record<string, readonly StoredRecord[]>>, codec: Codec) {
  return recordsOf(records, codec).map(({ space, version, key, value }) =>
    put(key, value, { space, version })
  );
}
