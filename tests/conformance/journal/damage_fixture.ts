/**
 * Small words for the cases about damage. It is done through the port.
 *
 * @module
 */

import assert from "node:assert/strict";
import { addressIn } from "../../../core/format/actor_address.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { Keyspace, Storage, StoredEntry } from "../../../core/ports/storage.ts";
import { assertFails, range } from "../fixture.ts";
import { numbersOf, replayedOf } from "./fixture.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";

/** Whatever touches the frame is CORRUPT and names a number within; what does not touch it works. */
export async function assertDamaged(
  journal: MessageJournal<unknown>,
  first: number,
  last: number,
): Promise<void> {
  const end = await journal.getHighestSequenceNumber("a");
  for (const from of new Set([0, first, last])) {
    await assertCorrupt(() => journal.readFrom("a", from), first, last);
    await assertCorrupt(() => replayedOf(journal, from), first, last);
  }
  if (first > 0) {
    assert.deepEqual(await numbersOf(journal, 0, { to: first - 1 }), range(0, first - 1));
    assert.deepEqual(await replayedOf(journal, 0, { limit: first }), range(0, first - 1));
  }
  assert.deepEqual(await numbersOf(journal, last + 1), range(last + 1, end));
}

/** The error tells the actor, and a sequence number within the damage. */
async function assertCorrupt(read: () => unknown, first: number, last: number): Promise<void> {
  const { sequenceNumber = NaN } = await assertFails(read, "CORRUPT", { actorId: "a" });
  assert.ok(first <= sequenceNumber && sequenceNumber <= last, `at ${sequenceNumber}`);
}

/** The head of an actor. */
export async function headOf(storage: Storage, actorId = "a"): Promise<StoredEntry> {
  const heads = await storage.scan("heads", EVERYTHING);
  const head = heads.find(({ key }) => addressIn(key)?.actorId === actorId);
  assert.ok(head);
  return head;
}

/** Replaces the value of a record. */
export async function overwrite(
  storage: Storage,
  { key, version }: StoredEntry,
  value: Uint8Array,
  keyspace: Keyspace = "entries",
): Promise<void> {
  await commit(storage, put(key, value, { keyspace, version }));
}

/** The bytes with some bits of one changed. */
export function flipped(bytes: Uint8Array, offset: number, bits: number): Uint8Array {
  return bytes.map((byte, index) => index === offset ? byte ^ bits : byte);
}

/** The key with one bit changed, and with one byte less or more. */
export function damagedKeys(key: Uint8Array): Uint8Array[] {
  const damaged = [...key.keys()].flatMap((offset) =>
    range(0, 7).map((bit) => flipped(key, offset, 1 << bit))
  );
  return [...damaged, key.slice(0, -1), Uint8Array.of(...key, 0), Uint8Array.of(...key, 0x5a)];
}
