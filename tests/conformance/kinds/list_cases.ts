import assert from "node:assert/strict";
import { addressIn } from "../../../core/format/actor_address.ts";
import type { ListActorsOptions } from "../../../core/ports/provider.ts";
import type { Keyspace, ScanRange, StoredEntry } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { collectLog } from "../collect_log.ts";
import {
  assertFails,
  assertRefused,
  casesOf,
  range,
  withProvider,
  withStorage,
} from "../fixture.ts";
import { ForwardingStorage } from "../forwarding_storage.ts";
import { AWKWARD_IDS, bad, BAD_IDS, BAD_OPTIONS, randomIds } from "../ids.ts";
import { allOf, AWKWARD_KINDS, BAD_KINDS, inOrder, ofKind } from "./fixture.ts";
import { withRandom } from "../random.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about listing actors by kind and by what their ids begin with. */
export function describeKindList(options: ConformanceOptions): void {
  const check = casesOf(options, "list by kind", withProvider());
  const onStorage = casesOf(options, "list by kind", withStorage);

  check(
    "it has the actors of one kind, whose ids begin with a text, after an id",
    (provider) =>
      withRandom(options.seed, async (random) => {
        const kinds = new Set([...AWKWARD_KINDS.slice(0, 8), ...randomIds(random, 4)]);
        const ids = [...new Set([...AWKWARD_IDS, ...randomIds(random, 100)])];
        const idsOf = new Map<string | undefined, string[]>();
        for (const kind of kinds) {
          const some = ids.filter(() => random.below(2) === 0);
          idsOf.set(kind, some);
          const journal = provider.createMessageJournal(ofKind(kind));
          await Promise.all(some.map((id) => journal.append(id, 1)));
        }
        const prefixes = ["", "a", "a\0", "\0", "\u{ff}", "\u{10ffff}", "\u{1f468}", "nobody"];
        for (const [kind, some] of idsOf) {
          assert.deepEqual(await allOf(provider.actorIds(ofKind(kind))), inOrder(some));
          const beginnings = ids.map((id) => [...id].slice(0, 1 + random.below(3)).join(""));
          for (const prefix of [...prefixes, ...beginnings.slice(-40)]) {
            const after = ids[random.below(ids.length)] ?? "a";
            const expected = inOrder(some.filter((id) => id.startsWith(prefix)));
            const list = { ...ofKind(kind), prefix };
            assert.deepEqual(await allOf(provider.actorIds(list)), expected);
            const rest = expected.filter((id) => id !== after && inOrder([after, id])[1] === id);
            assert.deepEqual(await allOf(provider.actorIds({ ...list, after })), rest);
            const withFirst = expected.filter((id) => inOrder([after, id])[1] === id);
            const from = after;
            assert.deepEqual(await allOf(provider.actorIds({ ...list, from })), withFirst);
            const both = { ...list, from: ids[random.below(ids.length)] ?? "a", after };
            const rests = rest.filter((id) => inOrder([both.from, id])[1] === id);
            assert.deepEqual(await allOf(provider.actorIds(both)), rests);
          }
        }
      }),
  );

  check("a prefix that is a whole id finds that actor, too", async (provider) => {
    const journal = provider.createMessageJournal({ kind: "cart" });
    for (const id of ["a", "a\0", "ab", "b"]) await journal.append(id, 1);
    const ids = await allOf(provider.actorIds({ kind: "cart", prefix: "a" }));
    assert.deepEqual(ids, ["a", "a\0", "ab"]);
    const longest = "x".repeat(512);
    await journal.append(longest, 1);
    const own = await allOf(provider.actorIds({ kind: "cart", prefix: longest }));
    assert.deepEqual(own, [longest]);
  });

  check("what follows the highest character is found, and nothing else", async (provider) => {
    const highest = "\u{10ffff}";
    const journal = provider.createMessageJournal({ kind: highest });
    const other = provider.createMessageJournal({ kind: highest + highest });
    const ids = [highest, highest + "\0", highest + highest, highest + "a"];
    await Promise.all([...ids, "a"].map((id) => journal.append(id, 1)));
    await Promise.all(ids.map((id) => other.append(id, 1)));
    const list = { kind: highest, prefix: highest };
    assert.deepEqual(await allOf(provider.actorIds(list)), inOrder(ids));
  });

  check("bad options are refused, also a prefix that ends within a character", async (provider) => {
    const list = (options: unknown) => () => provider.actorIds(bad(options)).next();
    for (const [, kind, type] of BAD_KINDS) await assertRefused(list({ kind }), type);
    for (const [, id, type] of BAD_IDS) {
      if (id === undefined) continue;
      await assertRefused(list({ after: id }), type);
      await assertRefused(list({ from: id }), type);
      if (id !== "") await assertRefused(list({ prefix: id }), type);
    }
    for (const [, value] of BAD_OPTIONS) await assertRefused(list(value), "type");
    const error = await assertRefused(list({ prefix: "\u{1f600}".slice(0, 1) }), "range");
    assert.match(error.message, /^Cannot list actors: the prefix .* has a lone surrogate$/);
  });

  onStorage("it reads the keys of its actors only, in bounded pages", async (inner) => {
    const storage = new CountingStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const kinds = [undefined, "cart", "user"];
    for (const kind of kinds) {
      const journal = provider.createMessageJournal(ofKind(kind));
      const ids = ["eu", "us"].flatMap((place) => range(1, 700).map((id) => `${place}-${id}`));
      await Promise.all(ids.map((id) => journal.append(id, 1)));
    }
    await collectLog(inner);
    const scansOf = async (options: ListActorsOptions) => {
      storage.scanned = [];
      const ids = await allOf(provider.actorIds(options));
      return { ids, pages: storage.scanned.filter(({ length }) => length > 1) };
    };
    const { ids, pages } = await scansOf({ kind: "cart", prefix: "eu-" });
    assert.equal(ids.length, 700);
    assert.deepEqual(pages.map(({ length }) => length), [512, 188]);
    for (const { key } of pages.flat()) {
      const address = addressIn(key);
      assert.deepEqual([address?.kind, address?.actorId.slice(0, 3)], ["cart", "eu-"]);
    }
    const rest = await scansOf({ kind: "cart", prefix: "eu-", after: "eu-99" });
    assert.deepEqual(rest, { ids: [], pages: [] });
    assert.equal((await scansOf({ kind: "cart" })).ids.length, 1_400);
  });

  onStorage("a damaged key is CORRUPT, and never passes for another actor", async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage);
    for (const kind of ["b", "d"]) {
      const journal = provider.createMessageJournal({ kind });
      await Promise.all(["b", "d"].map((id) => journal.append(id, 1)));
    }
    await collectLog(storage);
    const heads = await storage.scan("heads", EVERYTHING);
    assert.equal(heads.length, 4);
    for (const [index, { key, value, version }] of heads.entries()) {
      const kind = index < 2 ? "b" : "d";
      for (const offset of key.keys()) {
        const damaged = key.map((byte, at) => at === offset ? byte ^ 1 : byte);
        const head = { keyspace: "heads", version } as const;
        await commit(storage, remove(key, "heads"), put(damaged, value, head));
        await assertFails(() => allOf(provider.actorIds({ kind })), "CORRUPT");
        await commit(storage, remove(damaged, "heads"), put(key, value, head));
      }
    }
    assert.deepEqual(await allOf(provider.actorIds({ kind: "b" })), ["b", "d"]);
  });
}

/** Remembers what scans of heads have given. */
class CountingStorage extends ForwardingStorage {
  scanned: StoredEntry[][] = [];

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    const page = await super.scan(keyspace, range);
    if (keyspace === "heads") this.scanned.push(page);
    return page;
  }
}
