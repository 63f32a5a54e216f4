/**
 * Small words for the cases about kinds of actors.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ConsumerRegistry } from "../../../core/ports/consumers.ts";
import type { BatchedMessageJournal } from "../../../core/ports/batched_journal.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { compareBytes } from "../../../core/util/bytes.ts";
import { numbersOf } from "../journal/fixture.ts";

/** An actor: its kind, absent if it has none, and its id. */
export type Actor = readonly [kind: string | undefined, actorId: string];

/** Kinds that a careless key could mix up or choke on, all of them good. */
export const AWKWARD_KINDS: readonly (string | undefined)[] = [
  undefined,
  "a",
  "A",
  "a\0",
  "a\0\0",
  "a\0b",
  "a/b",
  "a:b",
  "ab",
  "b",
  "\0",
  "\0\0",
  "\u{1}",
  "\u{ff}",
  "\u{feff}a",
  " ",
  "__proto__",
  "constructor",
  "undefined",
  "null",
  "heads",
  "\u{e9}",
  "e\u{301}",
  "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
  "\u{10ffff}",
  "a".repeat(128),
  "\0".repeat(128),
  "\u{1f600}".repeat(32),
];

/** Kinds that must be refused, each with what is wrong with it. */
export const BAD_KINDS: readonly [string, unknown, "type" | "range"][] = [
  ["null", null, "type"],
  ["a number", 5, "type"],
  ["a symbol", Symbol("a"), "type"],
  ["an object", {}, "type"],
  ["a String object", Object("a"), "type"],
  ["the empty string", "", "range"],
  ["a lone high surrogate", "\ud83d", "range"],
  ["a lone low surrogate", "a\ude00", "range"],
  ["129 bytes in 129 characters", "a".repeat(129), "range"],
  ["130 bytes in 65 characters", "\u{e9}".repeat(65), "range"],
  ["132 bytes in 33 characters", "\u{1f600}".repeat(33), "range"],
];

/** Options with a kind, or without one. */
export function ofKind(kind: string | undefined): { kind?: string } {
  return kind === undefined ? {} : { kind };
}

/** Everything that serves the actors of one kind. */
export interface Stores {
  readonly journal: MessageJournal<unknown>;
  readonly batched: BatchedMessageJournal<unknown>;
  readonly snapshots: SnapshotStore<unknown>;
  readonly consumers: ConsumerRegistry;
}

/** Makes what serves the actors of one kind. */
export function storesOf(provider: PersistenceProvider, kind: string | undefined): Stores {
  return {
    journal: provider.createMessageJournal(ofKind(kind)),
    batched: provider.createBatchedMessageJournal({ ...ofKind(kind), maxBatchDelayMs: 1 }),
    snapshots: provider.createSnapshotStore(ofKind(kind)),
    consumers: provider.createConsumerRegistry(ofKind(kind)),
  };
}

/** Everything that is known of one actor, to compare. */
export async function everythingOf(
  { journal, snapshots, consumers }: Stores,
  actorId: string,
): Promise<unknown> {
  return {
    numbers: await numbersOf(journal, 0, {}, actorId),
    messages: (await journal.readFrom(actorId, 0)).map(({ message }) => message),
    highest: await journal.getHighestSequenceNumber(actorId),
    snapshots: await snapshots.listSnapshots(actorId),
    state: (await snapshots.getLatestSnapshot(actorId))?.state,
    consumers: [...await consumers.positions(actorId)],
  };
}

/** The ids that a list of actors gives. */
export async function allOf(ids: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const id of ids) all.push(id);
  return all;
}

/** Texts in the order of their UTF-8. */
export function inOrder(texts: readonly string[]): string[] {
  const encoder = new TextEncoder();
  return texts.toSorted((a, b) => compareBytes(encoder.encode(a), encoder.encode(b)));
}

/** Writes to each actor at once, and asserts that each has only its own. */
export async function assertIsolated(
  provider: PersistenceProvider,
  actors: readonly Actor[],
): Promise<void> {
  const stores = actors.map(([kind]) => storesOf(provider, kind));
  const nameOf = ([kind, actorId]: Actor) => JSON.stringify([kind ?? null, actorId]);
  await Promise.all(actors.map(async (actor, index) => {
    const [, actorId] = actor;
    const { journal, batched, snapshots, consumers } = stores[index] ?? assert.fail();
    const name = nameOf(actor);
    assert.equal(await journal.append(actorId, `0 of ${name}`), 0);
    assert.deepEqual(await batched.appendBatch(actorId, [`1 of ${name}`, index]), [1, 2]);
    await snapshots.saveSnapshot(actorId, `state of ${name}`, index);
    await consumers.register(actorId, "reader", index);
  }));
  const odd = actors.map(([, actorId], index) => ({ actorId, index }))
    .filter(({ index }) => index % 2 === 1);
  await Promise.all(odd.flatMap(({ actorId, index }) => {
    const { journal, snapshots, consumers } = stores[index] ?? assert.fail();
    return [
      journal.truncateBefore(actorId, 2),
      snapshots.deleteSnapshots(actorId),
      consumers.unregister(actorId, "reader"),
    ];
  }));
  await Promise.all(actors.map(async (actor, index) => {
    const name = nameOf(actor);
    const isOdd = index % 2 === 1;
    assert.deepEqual(await everythingOf(stores[index] ?? assert.fail(), actor[1]), {
      numbers: isOdd ? [2] : [0, 1, 2],
      messages: isOdd ? [index] : [`0 of ${name}`, `1 of ${name}`, index],
      highest: 2,
      snapshots: isOdd ? [] : [index],
      state: isOdd ? undefined : `state of ${name}`,
      consumers: isOdd ? [] : [["reader", index]],
    });
  }));
  const kinds = new Set(actors.map(([kind]) => kind));
  for (const kind of kinds) {
    const ids = actors.filter((actor) => actor[0] === kind).map(([, actorId]) => actorId);
    assert.deepEqual(await allOf(provider.actorIds(ofKind(kind))), inOrder(ids));
  }
}
