/**
 * Small words for the cases about deleting and erasing actors.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { ActorStore } from "../../../core/ports/actor_store.ts";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { collectLog } from "../collect_log.ts";
import { range } from "../fixture.ts";
import { KeptOpenStorage, ObservedStorage } from "../observed_storage.ts";
import { dump } from "../storage/fixture.ts";

/** The kind of the actors in these cases. */
export const KIND = "cart";
/** The options that select an actor of it. */
export const OF_KIND: { readonly kind: string } = { kind: KIND };

/** The two ways to remove an actor. */
export type Mode = "delete" | "erase";
/** The two ways to remove an actor. */
export const MODES: readonly Mode[] = ["delete", "erase"];

/** Removes an actor of the kind. */
export function remove(provider: PersistenceProvider, mode: Mode, actorId = "a"): Promise<void> {
  return mode === "delete"
    ? provider.deleteActor(actorId, OF_KIND)
    : provider.eraseActor(actorId, OF_KIND);
}

/** A provider that does not close the storage. */
export function openOn(storage: Storage): Promise<PersistenceProvider> {
  return PersistenceProvider.openOn(new KeptOpenStorage(storage));
}

/** The stores of the kind. */
export function storeOf(provider: PersistenceProvider): ActorStore<unknown, unknown> {
  return provider.createActorStore({ ...OF_KIND, keepSnapshots: Infinity });
}

/** How much of everything an actor gets. */
export interface Amounts {
  /** Messages that are frames of their own, of which the first three are truncated. */
  readonly frames: number;
  /** Snapshots. */
  readonly snapshots: number;
  /** Open effects. */
  readonly effects: number;
  /** Effects that were given up. */
  readonly deadLetters: number;
  /** Messages that were refused. */
  readonly refused: number;
}

/** A few of everything. */
export const FEW: Amounts = { frames: 5, snapshots: 2, effects: 2, deadLetters: 1, refused: 2 };

/** So much that its removal takes several steps. */
export const MANY: Amounts = {
  frames: 60,
  snapshots: 600,
  effects: 300,
  deadLetters: 20,
  refused: 600,
};

/** Bytes, which cost next to nothing to encode. */
const LONG = new Uint8Array(33_000);
const LAST_MESSAGE = "the last one";
const TRUNCATED = 3;

/** Writes everything that an actor may have. */
export async function fill(
  provider: PersistenceProvider,
  { frames, snapshots, effects, deadLetters, refused }: Amounts = FEW,
  actorId = "a",
): Promise<void> {
  const store = storeOf(provider);
  const first = await store.journal.getHighestSequenceNumber(actorId) + 1;
  const numbers = range(first, first + frames - 1);
  await store.journal.appendBatch(actorId, numbers.map((number) => ({ number, bytes: LONG })));
  await store.journal.truncateBefore(actorId, first + TRUNCATED);
  const decided = range(1, effects + deadLetters).map((index) => `effect ${index}`);
  const run = store.prepareEntries(actorId, [LAST_MESSAGE], { effects: decided });
  const { effects: open } = await store.append(actorId, [run], first + frames);
  await Promise.all(open.slice(0, deadLetters).map((one) => store.outbox.bury(one, 3, "given up")));
  await Promise.all(
    range(1, snapshots).map((number) => store.snapshots.saveSnapshot(actorId, { number }, number)),
  );
  await store.writeMarks(actorId, { handled: first + frames, refused: range(1, refused) });
  await provider.createConsumerRegistry(OF_KIND).register(actorId, "reports", first + 4);
}

/** Everything that can be read of an actor, to compare. */
export async function everythingOf(
  provider: PersistenceProvider,
  actorId = "a",
): Promise<Record<string, unknown>> {
  const store = storeOf(provider);
  const { entries, lowest, highest } = await store.journal.read(actorId);
  const effectsOf = async (state: "open" | "deadLetters") => {
    const { effects } = await store.outbox[state]({ actorId, limit: 10_000 });
    return await Promise.all(effects.map(async (effect) => {
      const content = "effect" in effect ? effect : await store.outbox.content(effect);
      return [effect.sequenceNumber, effect.index, content?.effect];
    }));
  };
  const infos = [];
  for await (const info of provider.actors({ ...OF_KIND, prefix: actorId })) infos.push(info);
  return {
    entries: entries.map(({ sequenceNumber, message }) => [sequenceNumber, message]),
    lowest,
    highest,
    snapshots: await store.snapshots.listSnapshots(actorId),
    state: (await store.snapshots.getLatestSnapshot(actorId))?.state,
    open: await effectsOf("open"),
    dead: await effectsOf("deadLetters"),
    counts: await store.outbox.counts(),
    marks: await store.readMarks(actorId),
    consumers: [...await provider.createConsumerRegistry(OF_KIND).positions(actorId)],
    infos,
  };
}

/** What is read of an actor of which nothing is left, the only one of its kind. */
export function nothing(nextSequenceNumber = 0, actorId = "a"): Record<string, unknown> {
  const highest = nextSequenceNumber - 1;
  return {
    entries: [],
    lowest: nextSequenceNumber,
    highest,
    snapshots: [],
    state: undefined,
    open: [],
    dead: [],
    counts: { open: 0, dead: 0 },
    marks: { handled: -1, refused: [] },
    consumers: [],
    infos: nextSequenceNumber === 0 ? [] : [{
      kind: KIND,
      actorId,
      lowestSequenceNumber: nextSequenceNumber,
      highestSequenceNumber: highest,
    }],
  };
}

/** Everything that is stored, byte by byte. */
export async function everythingIn(storage: Storage): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const keyspace of KEYSPACES) all[keyspace] = await dump(storage, keyspace);
  return all;
}

/** Everything that is stored beside the log, byte by byte. */
async function everythingBesideLog(storage: Storage): Promise<Record<string, string[]>> {
  const { log: _, meta = [], ...others } = await everythingIn(storage);
  const isOfLog = (record: string) =>
    ["\u{6}", "\u{7}", "\u{8}"].some((prefix) => record.startsWith(prefix));
  return { ...others, meta: meta.filter((record) => !isOfLog(record)) };
}

/** Everything that is stored beside the log, byte by byte, after the log has been collected. */
export async function everythingCollectedIn(storage: Storage): Promise<Record<string, string[]>> {
  await collectLog(storage);
  return await everythingBesideLog(storage);
}

/** How many keys are stored beside those of journals. */
export async function keysIn(storage: Storage): Promise<number> {
  const { log: _l, heads: _h, ...entries } = (await storage.stats()).entries;
  return Object.values(entries).reduce((sum, count) => sum + count, 0);
}

/**
 * Asserts that an actor is empty, and has nothing stored but what it needs to go on. What the log has
 * is collected.
 *
 * @param storage The storage.
 * @param before What {@linkcode everythingCollectedIn} returned before there was anything of the
 *   actor.
 * @param mode How it was removed.
 */
export async function assertRemoved(
  storage: Storage,
  before: Record<string, string[]>,
  mode: Mode,
): Promise<void> {
  const { heads: headsBefore = [], ...othersBefore } = before;
  const { heads: _, ...othersAtOnce } = await everythingBesideLog(storage);
  assert.deepEqual(othersAtOnce, othersBefore);
  const { heads = [], ...others } = await everythingCollectedIn(storage);
  assert.deepEqual(others, othersBefore);
  // The order may name the actor, but tells nothing of what its entries were.
  const log = await dump(storage, "log");
  assert.ok(!log.some((record) => record.includes(LAST_MESSAGE)), "entries are left in the log");
  assert.equal(heads.length, headsBefore.length + (mode === "delete" ? 0 : 1));
  for (const head of headsBefore) assert.ok(heads.includes(head));
}

/** An actor in a storage that lets the test fail commits, with one that has the same id, but no kind. */
export async function filled(
  inner: Storage,
  amounts: Amounts,
): Promise<{
  storage: ObservedStorage;
  provider: PersistenceProvider;
  before: Record<string, string[]>;
}> {
  const storage = new ObservedStorage(inner);
  const provider = await openOn(storage);
  await provider.createMessageJournal().append("a", "without kind");
  const before = await everythingCollectedIn(inner);
  await fill(provider, amounts);
  return { storage, provider, before };
}

/** Lets a removal fail after so many commits. Returns whether it needed no more. */
export async function interrupt(
  storage: ObservedStorage,
  provider: PersistenceProvider,
  mode: Mode,
  successes: number,
): Promise<boolean> {
  let commits = 0;
  storage.failCommit = () => commits++ < successes ? undefined : failure();
  try {
    await remove(provider, mode);
    return true;
  } catch (error) {
    if (!(error instanceof PersistenceError) || error.code !== "STORAGE_FAILED") throw error;
    assert.deepEqual([error.actorId, error.kind], ["a", KIND]);
    return false;
  } finally {
    storage.failCommit = () => undefined;
  }
}

/** What such a commit is rejected with. */
export function failure(): PersistenceError {
  return new PersistenceError("STORAGE_FAILED", "Cannot commit: the test wants it so");
}
