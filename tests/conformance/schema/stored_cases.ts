import assert from "node:assert/strict";
import { HEAD_BYTES_BEFORE_TAIL } from "../../../core/format/head.ts";
import type { Codec } from "../../../core/ports/codec.ts";
import { JsonCodec } from "../../../core/codec/json_codec.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import { MessagePackCodec } from "../../../core/codec/msgpack_codec.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { collectLog } from "../collect_log.ts";
import { casesOf, outcomesOf, range, withPlace, withStorage } from "../fixture.ts";
import { asciiCodec, type JournalKind, messagesOf, withJournal } from "../journal/fixture.ts";
import { withRandom } from "../random.ts";
import { CART, CART_STATE, textSchema, withChange } from "./fixture.ts";
import { PLAIN_RECORDS, type StoredRecord, TAGGED_RECORDS } from "./records.ts";
import { bytesOfHex, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const CODECS: readonly Codec[] = [new MessagePackCodec(), new JsonCodec()];

/** Registers the cases about data that is there, byte by byte. */
export function describeStoredGenerations(options: ConformanceOptions, kind: JournalKind): void {
  const suite = `${kind.name} schema stored`;
  const onStorage = casesOf(options, suite, withStorage);
  const onPlace = casesOf(options, suite, withPlace, "reopen");
  const check = casesOf(options, suite, withJournal(kind));

  for (const codec of CODECS) {
    onStorage(`what was stored without a schema is upcast, in ${codec.name}`, async (
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
      for (const { keyspace, key, value } of recordsOf(PLAIN_RECORDS, codec)) {
        const stored = await storage.get(keyspace, key);
        assert.deepEqual(
          Uint8Array.from(stored?.value ?? []),
          value,
          "old data is never rewritten",
        );
      }
      const messages = await messagesOf(journal, "cart-1");
      await collectLog(storage);
      assert.deepEqual(await messagesOf(journal, "cart-1"), messages);
    });

    onStorage(`what was stored with older schemas can be read, in ${codec.name}`, async (
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

  check("random generations write at once, and each message comes back as its own", async (
    plain,
    scene,
  ) => {
    await withRandom(options.seed, async (random) => {
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

  check("a message without schema and metadata takes one byte more than the codec writes", async (
    journal,
    { storage },
  ) => {
    await journal.append("a", 1);
    const [time, payloadBytes, flags] = [0, 2, 0];
    const entry = [time, payloadBytes, flags, 1];
    const [record] = await storage.scan("log", EVERYTHING);
    const directory = 12;
    assert.deepEqual([...record?.value.slice(-entry.length - directory, -directory) ?? []], entry);
    await collectLog(storage);
    const [head, ...others] = await storage.scan("heads", EVERYTHING);
    assert.ok(head && others.length === 0);
    const frameHeader = 5 + 12;
    const tail = head.value.subarray(HEAD_BYTES_BEFORE_TAIL);
    assert.deepEqual([...tail.subarray(frameHeader)], entry);
  });
}

function recordsOf(records: Readonly<Record<string, readonly StoredRecord[]>>, codec: Codec) {
  return (records[codec.name] ?? assert.fail()).map(([keyspace, version, key, value]) => ({
    keyspace,
    version,
    key: bytesOfHex(key),
    value: bytesOfHex(value),
  }));
}

function changesOf(records: Readonly<Record<string, readonly StoredRecord[]>>, codec: Codec) {
  return recordsOf(records, codec).map(({ keyspace, version, key, value }) =>
    put(key, value, { keyspace, version })
  );
}
