import assert from "node:assert/strict";
import {
  KEYSPACES,
  MAX_KEY_BYTES,
  type ScanRange,
  type Storage,
} from "../../../core/ports/storage.ts";
import { casesOf, range, withStorage } from "../fixture.ts";
import {
  bytesOf,
  commit,
  dump,
  EVERYTHING,
  group,
  keysOf,
  put,
  remove,
  textOf,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Keys in the order of unsigned bytes. A signed or a text comparison gets them wrong. */
const ORDERED_KEYS: readonly Uint8Array[] = [
  [0x00],
  [0x00, 0x00],
  [0x00, 0x01],
  [0x00, 0xff],
  [0x01],
  [0x61],
  [0x61, 0x00],
  [0x61, 0x00, 0x00],
  [0x61, 0x61],
  [0x61, 0x62],
  [0x61, 0xff],
  [0x62],
  [0x7f],
  [0x7f, 0xff],
  [0x80],
  [0x80, 0x00],
  [0xef, 0xbf, 0xbf],
  [0xf0, 0x9f, 0x98, 0x80],
  [0xff],
  [0xff, 0x00],
  [0xff, 0xff],
].map((key) => Uint8Array.from(key));

/** Registers the cases about `get`. */
export function describeStorageGet(options: ConformanceOptions): void {
  const check = casesOf(options, "storage get", withStorage);

  check("an absent key gives undefined", async (storage) => {
    assert.equal(await storage.get("entries", bytesOf("a")), undefined);
    await commit(storage, put("a", "1"), put("c", "3"));
    assert.equal(await storage.get("entries", bytesOf("b")), undefined);
    assert.equal(await storage.get("entries", bytesOf("a\0")), undefined);
  });

  check("a put key gives key, value and version", async (storage) => {
    await commit(storage, put("a", "1", { version: 7 }));
    const entry = await storage.get("entries", bytesOf("a"));
    assert.ok(entry);
    assert.ok(entry.key instanceof Uint8Array && entry.value instanceof Uint8Array);
    assert.deepEqual([textOf(entry.key), textOf(entry.value), entry.version], ["a", "1", 7]);
  });

  check("a second put replaces value and version", async (storage) => {
    await commit(storage, put("a", "a longer value", { version: 9 }));
    await commit(storage, put("a", "2", { version: 3 }));
    assert.deepEqual(await dump(storage), ["a=2@3"]);
  });

  check("a deleted key is absent, and can be put again", async (storage) => {
    await commit(storage, put("a", "1"));
    await commit(storage, remove("a"));
    assert.equal(await storage.get("entries", bytesOf("a")), undefined);
    await commit(storage, put("a", "2", { version: 1 }));
    assert.deepEqual(await dump(storage), ["a=2@1"]);
  });

  for (const version of [0, 1, 255, 256, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    check(`version ${version} comes back`, async (storage) => {
      await commit(storage, put("a", "1", { version }));
      assert.equal((await storage.get("entries", bytesOf("a")))?.version, version);
      assert.equal((await storage.scan("entries", EVERYTHING))[0]?.version, version);
    });
  }

  for (const length of [1, 2, 511, 512, 1_024, MAX_KEY_BYTES]) {
    check(`a key of ${length} bytes works`, async (storage) => {
      const key = new Uint8Array(length).fill(0xfe);
      const neighbour = new Uint8Array(length).fill(0xfe);
      neighbour[length - 1] = 0xfd;
      await commit(storage, put(key, "key"), put(neighbour, "neighbour"));
      const entry = await storage.get("entries", key);
      assert.ok(entry);
      assert.deepEqual(new Uint8Array(entry.key), key);
      assert.equal(textOf(entry.value), "key");
      await commit(storage, remove(neighbour));
      assert.equal((await storage.scan("entries", EVERYTHING)).length, 1);
    });
  }

  for (const length of [0, 1, 4_095, 4_096, 65_537, 2 ** 20]) {
    check(`a value of ${length} bytes comes back`, async (storage) => {
      const value = Uint8Array.from({ length }, (_, index) => index * 31 + (index >> 8));
      await commit(storage, put("a", value));
      const entry = await storage.get("entries", bytesOf("a"));
      assert.ok(entry);
      assert.equal(compare(entry.value, value), 0);
    });
  }

  check("the keyspaces do not see each other's keys", async (storage) => {
    for (const keyspace of KEYSPACES) await commit(storage, put("a", keyspace, { keyspace }));
    for (const keyspace of KEYSPACES) {
      const entry = await storage.get(keyspace, bytesOf("a"));
      assert.equal(textOf(entry?.value ?? new Uint8Array()), keyspace);
      assert.deepEqual(await dump(storage, keyspace), [`a=${keyspace}@0`]);
    }
    await commit(storage, remove("a", "heads"));
    assert.deepEqual(await dump(storage, "heads"), []);
    assert.deepEqual(await dump(storage, "entries"), ["a=entries@0"]);
  });

  check(
    "returned bytes are the caller's: changing them changes nothing in the storage",
    async (storage) => {
      await commit(storage, put("a", "1"), put("b", "2"));
      const entry = await storage.get("entries", bytesOf("a"));
      const page = await storage.scan("entries", EVERYTHING);
      for (const { key, value } of [...page, ...(entry ? [entry] : [])]) {
        key.fill(0);
        value.fill(0);
      }
      assert.deepEqual(await dump(storage), ["a=1@0", "b=2@0"]);
    },
  );

  check("returned bytes stay as they are when the storage changes", async (storage) => {
    await commit(storage, put("a", "1".repeat(100)), put("b", "2".repeat(100)));
    const entry = await storage.get("entries", bytesOf("a"));
    const page = await storage.scan("entries", EVERYTHING);
    for (const round of range(1, 20)) {
      await commit(storage, put("a", `${round % 10}`.repeat(100)), put(`x${round}`, "x"));
      await storage.get("entries", bytesOf("b"));
    }
    assert.equal(textOf(entry?.value ?? new Uint8Array()), "1".repeat(100));
    assert.deepEqual(page.map(({ value }) => textOf(value)), [
      "1".repeat(100),
      "2".repeat(100),
    ]);
  });

  check("bytes with an offset in their buffer are read as what they are", async (storage) => {
    const buffer = bytesOf("..key..value..");
    const key = buffer.subarray(2, 5);
    await commit(storage, put(key, buffer.subarray(7, 12)));
    assert.deepEqual(await dump(storage), ["key=value@0"]);
    assert.equal(
      textOf((await storage.get("entries", key))?.value ?? new Uint8Array()),
      "value",
    );
  });
}

/** Registers the cases about `scan`. */
export function describeStorageScan(options: ConformanceOptions): void {
  const check = casesOf(options, "storage scan", withStorage);

  /** Registers a case on a storage with the keys `a` to `e` that have values of 10 bytes. */
  const onLetters = (name: string, run: (storage: Storage) => Promise<void>) =>
    check(name, async (storage) => {
      const letters = ["c", "a", "e", "b", "d"];
      await commit(storage, ...letters.map((letter) => put(letter, letter.repeat(10))));
      await run(storage);
    });
  const scanned = async (storage: Storage, some: Partial<ScanRange>) =>
    keysOf(await storage.scan("entries", { ...EVERYTHING, ...some })).join("");

  check("an empty storage gives no entries in any keyspace", async (storage) => {
    for (const keyspace of KEYSPACES) {
      assert.deepEqual(await storage.scan(keyspace, EVERYTHING), []);
    }
    for (const keyspace of KEYSPACES) {
      assert.deepEqual(await storage.scan(keyspace, { ...EVERYTHING, reverse: true }), []);
    }
  });

  check("keys come in the order of unsigned bytes", async (storage) => {
    const shuffled = ORDERED_KEYS.map((_, index) => ORDERED_KEYS[(index * 8) % 21]);
    await storage.commit(shuffled.map((key) => group(key ? [put(key, "")] : [])));
    const page = await storage.scan("entries", EVERYTHING);
    assert.deepEqual(page.map(({ key }) => [...key]), ORDERED_KEYS.map((key) => [...key]));
  });

  check("in reverse, keys come in the opposite order", async (storage) => {
    await commit(storage, ...ORDERED_KEYS.map((key) => put(key, "")));
    const page = await storage.scan("entries", { ...EVERYTHING, reverse: true });
    assert.deepEqual(
      page.map(({ key }) => [...key]),
      ORDERED_KEYS.map((key) => [...key]).reverse(),
    );
  });

  check(
    "every pair of bounds gives the keys from start, inclusive, to end, exclusive",
    async (storage) => {
      await commit(storage, ...ORDERED_KEYS.map((key) => put(key, "")));
      for (const [first, start] of ORDERED_KEYS.entries()) {
        for (const [last, end] of ORDERED_KEYS.entries()) {
          const expected = ORDERED_KEYS.slice(first, Math.max(first, last)).map((
            key,
          ) => [...key]);
          const forward = await storage.scan("entries", { ...EVERYTHING, start, end });
          assert.deepEqual(forward.map(({ key }) => [...key]), expected);
          const some = { ...EVERYTHING, start, end, reverse: true };
          const backward = await storage.scan("entries", some);
          assert.deepEqual(backward.map(({ key }) => [...key]), expected.reverse());
        }
      }
    },
  );

  const bounds = (start: string, end: string) => ({ start: bytesOf(start), end: bytesOf(end) });
  for (
    const [what, some, expected] of [
      ["start is inclusive, end exclusive", bounds("b", "d"), "bc"],
      [
        "start is inclusive, end exclusive in reverse",
        { ...bounds("b", "d"), reverse: true },
        "cb",
      ],
      ["bounds between keys", bounds("a\0", "d\0"), "bcd"],
      ["bounds between keys in reverse", { ...bounds("a\0", "d\0"), reverse: true }, "dcb"],
      ["bounds outside of all keys", bounds("A", "z"), "abcde"],
      ["bounds outside of all keys in reverse", { ...bounds("A", "z"), reverse: true }, "edcba"],
      ["a range before all keys", bounds("A", "a"), ""],
      ["a range before all keys in reverse", { ...bounds("A", "a"), reverse: true }, ""],
      ["a range after all keys", bounds("f", "z"), ""],
      ["a range after all keys in reverse", { ...bounds("f", "z"), reverse: true }, ""],
      ["a range between two keys", bounds("b\0", "c"), ""],
      ["a range between two keys in reverse", { ...bounds("b\0", "c"), reverse: true }, ""],
      ["an empty range", bounds("c", "c"), ""],
      ["an empty range in reverse", { ...bounds("c", "c"), reverse: true }, ""],
      ["an inverted range", bounds("d", "b"), ""],
      ["an inverted range in reverse", { ...bounds("d", "b"), reverse: true }, ""],
      ["maxEntries 1", { maxEntries: 1 }, "a"],
      ["maxEntries 1 in reverse", { maxEntries: 1, reverse: true }, "e"],
      ["maxEntries below the range", { ...bounds("b", "z"), maxEntries: 3 }, "bcd"],
      ["maxEntries below the range in reverse", { maxEntries: 3, reverse: true }, "edc"],
      ["maxEntries of exactly the range", { ...bounds("b", "d"), maxEntries: 2 }, "bc"],
      ["maxBytes 1 gives the first entry however large", { maxBytes: 1 }, "a"],
      ["maxBytes 1 in reverse", { maxBytes: 1, reverse: true }, "e"],
      ["maxBytes reached exactly ends the page", { maxBytes: 20 }, "ab"],
      ["maxBytes reached by a part ends the page", { maxBytes: 21 }, "abc"],
      ["maxBytes one below the sum", { maxBytes: 19 }, "ab"],
      ["maxBytes in reverse", { maxBytes: 21, reverse: true }, "edc"],
      ["maxEntries before maxBytes", { maxEntries: 2, maxBytes: 40 }, "ab"],
      ["maxBytes before maxEntries", { maxEntries: 4, maxBytes: 20 }, "ab"],
      ["keysOnly does not count bytes", { keysOnly: true, maxBytes: 1 }, "abcde"],
      ["keysOnly counts entries", { keysOnly: true, maxEntries: 2 }, "ab"],
      ["keysOnly in reverse", { keysOnly: true, maxBytes: 1, reverse: true }, "edcba"],
    ] satisfies [string, Partial<ScanRange>, string][]
  ) {
    onLetters(
      `${what} gives "${expected}" of "abcde"`,
      async (storage) => assert.equal(await scanned(storage, some), expected),
    );
  }

  check("keysOnly leaves values and versions out", async (storage) => {
    await commit(storage, put("a", "1", { version: 4 }), put("b", "2", { version: 5 }));
    for (const reverse of [false, true]) {
      const page = await storage.scan("entries", { ...EVERYTHING, keysOnly: true, reverse });
      assert.deepEqual(page.map(({ value }) => value.length), [0, 0]);
      assert.deepEqual(page.map(({ version }) => version), [0, 0]);
    }
  });

  check("values come with their keys in both directions", async (storage) => {
    await commit(storage, put("a", "1", { version: 4 }), put("b", "2", { version: 5 }));
    const page = await storage.scan("entries", { ...EVERYTHING, reverse: true });
    assert.deepEqual(await dump(storage), ["a=1@4", "b=2@5"]);
    assert.deepEqual(page.map(({ value }) => textOf(value)), ["2", "1"]);
  });

  check("a first entry larger than maxBytes comes alone", async (storage) => {
    await commit(storage, put("a", new Uint8Array(100_000)), put("b", "2"));
    assert.equal(await scanned(storage, { maxBytes: 1_000 }), "a");
  });

  check("empty values do not count towards maxBytes", async (storage) => {
    await commit(storage, put("a", ""), put("b", ""), put("c", "3"), put("d", ""));
    assert.equal(await scanned(storage, { maxBytes: 1 }), "abc");
  });

  check("paging in both directions shows every entry once", async (storage) => {
    const keys = range(0, 999).map((index) => `key-${`${index}`.padStart(4, "0")}`);
    await storage.commit(keys.map((key) => group([put(key, key)])));
    const forward: string[] = [];
    for (let start = EVERYTHING.start;;) {
      const page = await storage.scan("entries", { ...EVERYTHING, start, maxEntries: 7 });
      forward.push(...keysOf(page));
      if (page.length < 7) break;
      start = bytesOf(`${forward.at(-1)}\0`);
    }
    assert.deepEqual(forward, keys);
    const backward: string[] = [];
    for (let end = EVERYTHING.end;;) {
      const some = { ...EVERYTHING, end, reverse: true, maxBytes: 64 };
      const page = await storage.scan("entries", some);
      backward.push(...keysOf(page));
      if (page.length === 0) break;
      end = bytesOf(`${backward.at(-1)}`);
    }
    assert.deepEqual(backward.reverse(), keys);
  });

  check("a page is one consistent state while commits run", async (storage) => {
    await commit(storage, ...range(0, 9).map((key) => put(`${key}`, "0")));
    const commits = range(1, 50).map((round) =>
      commit(storage, ...range(0, 9).map((key) => put(`${key}`, `${round}`)))
    );
    let settled = false;
    const all = Promise.allSettled(commits).finally(() => settled = true);
    while (!settled) {
      const page = await storage.scan("entries", EVERYTHING);
      assert.equal(new Set(page.map(({ value }) => textOf(value))).size, 1);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const { status } of await all) assert.equal(status, "fulfilled");
  });
}

/** 0 if both are the same bytes. Faster than an assertion if a value is large. */
function compare(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  const different = a.findIndex((byte, index) => byte !== b[index]);
  return different === -1 ? 0 : different + 1;
}
