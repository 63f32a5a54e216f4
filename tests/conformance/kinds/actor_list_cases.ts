import assert from "node:assert/strict";
import type { ActorInfo, ListActorsOptions } from "../../../core/ports/provider.ts";
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
import { AWKWARD_IDS, bad, BAD_IDS, BAD_OPTIONS, randomIds } from "../ids.ts";
import { AWKWARD_KINDS, BAD_KINDS, inOrder, ofKind } from "./fixture.ts";
import { withRandom } from "../random.ts";
import { commit, EVERYTHING, put, remove } from "../storage/fixture.ts";
import { ForwardingStorage } from "../forwarding_storage.ts";
import type { Keyspace, ScanRange, StoredEntry } from "../../../core/ports/storage.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about listing actors with what is known of them. */
export function describeActorList(options: ConformanceOptions): void {
  const check = casesOf(options, "actor list", withProvider());
  const onStorage = casesOf(options, "actor list", withStorage);

  check("it tells kind, id, lowest and highest number, and newest snapshot", async (provider) => {
    const journal = provider.createMessageJournal({ kind: "cart" });
    const snapshots = provider.createSnapshotStore({ kind: "cart" });
    await journal.append("appended", 0);
    await journal.appendBatch("batch", range(0, 4));
    await journal.appendBatch("truncated", range(0, 4));
    await journal.truncateBefore("truncated", 2);
    await journal.appendBatch("emptied", range(0, 4));
    await journal.truncateBefore("emptied", 5);
    await journal.startAt("started", 7);
    await journal.appendBatch("both", range(0, 4));
    for (const number of [1, 4, 3]) await snapshots.saveSnapshot("both", number, number);
    for (const number of [9, 0]) await snapshots.saveSnapshot("snapshots only", number, number);
    await provider.createConsumerRegistry({ kind: "cart" }).register("consumer only", "x", 0);
    const info = (actorId: string, lowest: number, highest: number, newest?: number) => ({
      kind: "cart",
      actorId,
      lowestSequenceNumber: lowest,
      highestSequenceNumber: highest,
      ...(newest !== undefined && { newestSnapshot: newest }),
    });
    assert.deepEqual(await allOf(provider, { kind: "cart" }), [
      info("appended", 0, 0),
      info("batch", 0, 4),
      info("both", 0, 4, 4),
      info("emptied", 5, 4),
      info("snapshots only", 0, -1, 9),
      info("started", 7, 6),
      info("truncated", 2, 4),
    ]);
  });

  check("actors without kind have none", async (provider) => {
    await provider.createMessageJournal().append("a", 1);
    await provider.createMessageJournal({ kind: "cart" }).append("b", 1);
    const [info, ...others] = await allOf(provider, {});
    assert.deepEqual(others, []);
    assert.deepEqual(info, { actorId: "a", lowestSequenceNumber: 0, highestSequenceNumber: 0 });
    assert.ok(info && !("kind" in info) && !("newestSnapshot" in info));
  });

  check(
    "it has the actors of one kind, by prefix, from or after an id, whatever they have",
    (provider) =>
      withRandom(options.seed, async (random) => {
        const kinds = new Set([...AWKWARD_KINDS.slice(0, 6), ...randomIds(random, 3)]);
        const ids = [...new Set([...AWKWARD_IDS, ...randomIds(random, 60)])];
        const infosOf = new Map<string | undefined, ActorInfo[]>();
        for (const kind of kinds) {
          const journal = provider.createMessageJournal(ofKind(kind));
          const snapshots = provider.createSnapshotStore({ ...ofKind(kind), keep: 2 });
          const infos = await Promise.all(
            inOrder(ids).map(async (actorId) => {
              const entries = random.below(3);
              const saved = range(1, random.below(4)).map(() => random.below(1_000));
              await journal.appendBatch(actorId, range(1, entries));
              for (const number of saved) await snapshots.saveSnapshot(actorId, number, number);
              if (entries + saved.length === 0) return [];
              return [{
                ...ofKind(kind),
                actorId,
                lowestSequenceNumber: 0,
                highestSequenceNumber: entries - 1,
                ...(saved.length > 0 && { newestSnapshot: Math.max(...saved) }),
              }];
            }),
          );
          infosOf.set(kind, infos.flat());
        }
        for (const [kind, infos] of infosOf) {
          assert.deepEqual(await allOf(provider, ofKind(kind)), infos);
          for (const id of ids.slice(-25)) {
            const other = ids[random.below(ids.length)] ?? "a";
            const prefix = [...id].slice(0, 1 + random.below(2)).join("");
            const list = { prefix, from: id, after: other };
            for (const names of [["prefix"], ["from"], ["after"], ["prefix", "from", "after"]]) {
              const chosen: ListActorsOptions = Object.fromEntries(
                Object.entries(list).filter(([name]) => names.includes(name)),
              );
              const expected = infos.filter(({ actorId }) => isListed(actorId, chosen));
              assert.deepEqual(await allOf(provider, { ...ofKind(kind), ...chosen }), expected);
            }
          }
        }
      }),
  );

  check("bad options are refused", async (provider) => {
    const list = (options: unknown) => () => provider.actors(bad(options)).next();
    for (const [, kind, type] of BAD_KINDS) await assertRefused(list({ kind }), type);
    for (const [, id, type] of BAD_IDS) {
      if (id === undefined) continue;
      await assertRefused(list({ after: id }), type);
      await assertRefused(list({ from: id }), type);
      if (id !== "") await assertRefused(list({ prefix: id }), type);
    }
    for (const [, value] of BAD_OPTIONS) await assertRefused(list(value), "type");
  });

  check("after the provider was closed it ends with CLOSED", async (provider) => {
    const journal = provider.createMessageJournal();
    await Promise.all(range(1, 5).map((id) => journal.append(`${id}`, 1)));
    const infos = provider.actors();
    await infos.next();
    await provider.close();
    await assertFails(() => infos.next(), "CLOSED");
    await assertFails(() => provider.actors().next(), "CLOSED");
  });

  onStorage("it reads in bounded pages, and skips most of very many snapshots", async (inner) => {
    const storage = new PageStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    const journal = provider.createMessageJournal();
    const snapshots = provider.createSnapshotStore({ keep: Infinity });
    const ids = range(0, 1_199).map((index) => `${index}`.padStart(4, "0"));
    await Promise.all(ids.map((id) => journal.append(id, "x".repeat(500))));
    await Promise.all(range(0, 4_999).map((number) => snapshots.saveSnapshot("0600", 1, number)));
    await snapshots.saveSnapshot("0601", 1, 3);
    storage.pages = [];
    const infos = await allOf(provider, {});
    assert.deepEqual(infos.map(({ actorId }) => actorId), ids);
    assert.deepEqual(infos.flatMap(({ newestSnapshot = [] }) => newestSnapshot), [4_999, 3]);
    for (const { entries, bytes } of storage.pages) {
      assert.ok(entries <= 512 && bytes <= 2 ** 19, `${entries} entries with ${bytes} bytes`);
    }
    const keys = storage.pages.filter(({ keyspace }) => keyspace === "snapshots")
      .reduce((sum, { entries }) => sum + entries, 0);
    assert.ok(keys < 1_000, `${keys} keys of snapshots were read`);
  });

  onStorage("a damaged key or head is CORRUPT, and nothing else is listed in its place", async (
    storage,
  ) => {
    await using provider = await PersistenceProvider.openOn(storage);
    for (const kind of ["b", "d"]) {
      for (const id of ["b", "d"]) {
        await provider.createMessageJournal({ kind }).append(id, 1);
        await provider.createSnapshotStore({ kind }).saveSnapshot(id, 1, 0);
      }
    }
    const before = await allOf(provider, { kind: "b" });
    await collectLog(storage);
    for (const keyspace of ["heads", "snapshots"] as const) {
      const records = await storage.scan(keyspace, EVERYTHING);
      assert.equal(records.length, 4);
      for (const [index, { key, value, version }] of records.entries()) {
        const kind = index < 2 ? "b" : "d";
        for (const offset of key.keys()) {
          const damaged = key.map((byte, at) => at === offset ? byte ^ 1 : byte);
          await commit(storage, remove(key, keyspace), put(damaged, value, { keyspace, version }));
          await assertFails(() => allOf(provider, { kind }), "CORRUPT");
          await commit(storage, remove(damaged, keyspace), put(key, value, { keyspace, version }));
        }
        if (keyspace === "snapshots") continue;
        const worse = value.map((byte, at) => at === 20 ? byte ^ 1 : byte);
        await commit(storage, put(key, worse, { keyspace, version }));
        const actorId = index % 2 === 0 ? "b" : "d";
        await assertFails(() => allOf(provider, { kind }), "CORRUPT", { actorId, kind });
        await commit(storage, put(key, value, { keyspace, version }));
      }
    }
    assert.deepEqual(await allOf(provider, { kind: "b" }), before);
  });
}

function isListed(actorId: string, { prefix = "", from, after }: ListActorsOptions): boolean {
  const isAbove = (id: string) => inOrder([id, actorId])[1] === actorId;
  return actorId.startsWith(prefix) && (from === undefined || isAbove(from)) &&
    (after === undefined || (isAbove(after) && actorId !== after));
}

async function allOf(
  provider: PersistenceProvider,
  options: ListActorsOptions,
): Promise<ActorInfo[]> {
  const infos: ActorInfo[] = [];
  for await (const info of provider.actors(options)) infos.push(info);
  return infos;
}

/** Remembers how large the pages are that are read. */
class PageStorage extends ForwardingStorage {
  pages: { keyspace: Keyspace; entries: number; bytes: number }[] = [];

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    const page = await super.scan(keyspace, range);
    const bytes = page.reduce((sum, { value }) => sum + value.length, 0);
    this.pages.push({ keyspace, entries: page.length, bytes });
    return page;
  }
}
