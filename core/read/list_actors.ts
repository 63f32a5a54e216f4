/**
 * Lists actors.
 *
 * @module
 */

import { checkKind, checkOptions, checkPrefix } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn, addressOf } from "../format/actor_address.ts";
import { hasValidChecksum } from "../format/checksummed_key.ts";
import { decodeHead, type JournalState, NO_JOURNAL } from "../format/head.ts";
import { actorKeysWith, entryKeysEnd, keyAfter, type KeyRange } from "../format/keys.ts";
import { snapshotNumberOf } from "../format/snapshot_record.ts";
import {
  type ActorInfo,
  LIST_ACTORS_OPTION_NAMES,
  type ListActorsOptions,
} from "../ports/provider.ts";
import type { Keyspace, Storage, StoredEntry } from "../ports/storage.ts";
import { compareBytes } from "../util/bytes.ts";
import type { JournalHeads } from "./journal_head.ts";
import { hasDamagedNeighbor } from "./missing_key.ts";
import { isBeingRemoved, type WholeReadServices } from "./removal.ts";

const MAX_KEYS_PER_PAGE = 512;
const MAX_PAGE_BYTES = 2 ** 18;
const OPERATION = "list actors";
const NO_BYTES = new Uint8Array(0);

/**
 * Lists the actors of a kind that have a journal, in the order of their ids in UTF-8. It reads in
 * pages, so no transaction stays open between two ids. An actor that is added during the iteration
 * may be left out.
 *
 * @param services What the journals are read with.
 * @param options Which actors are listed.
 * @returns The ids of the actors.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid.
 * @throws {PersistenceError} `CORRUPT` if a key is damaged; `STORAGE_FAILED`.
 */
export async function* listActorIds(
  services: WholeReadServices,
  options: ListActorsOptions,
): AsyncGenerator<string, void, undefined> {
  const range = checkRange(options);
  for await (const { actor } of journalsIn(services, range, true)) yield actor.actorId;
}

/**
 * Lists the actors of a kind that have a journal or a snapshot, in the order of their ids in UTF-8.
 * It reads in pages, so no transaction stays open between two actors. An actor that is added during
 * the iteration may be left out.
 *
 * @param services What the journals and snapshots are read with.
 * @param options Which actors are listed.
 * @returns What is known of the actors.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid.
 * @throws {PersistenceError} `CORRUPT` if a key or a head is damaged; `UNSUPPORTED_FORMAT`,
 *   `STORAGE_FAILED`.
 */
export async function* listActors(
  services: WholeReadServices,
  options: ListActorsOptions,
): AsyncGenerator<ActorInfo, void, undefined> {
  const { storage } = services;
  const range = checkRange(options);
  const heads = journalsIn(services, range, false);
  const snapshots = newestSnapshotsIn(storage, range);
  let [head, snapshot] = [await heads.next(), await snapshots.next()];
  for (;;) {
    const actor = lower(head.value?.actor, snapshot.value?.actor);
    if (!actor) return;
    const own = head.value && isSame(head.value.actor, actor) ? head.value : undefined;
    const newest = snapshot.value && isSame(snapshot.value.actor, actor)
      ? snapshot.value.newest
      : undefined;
    const isRemoved = (!own || isEmpty(own.head)) && await isBeingRemoved(storage, actor);
    if (!isRemoved) yield infoOf(actor, own?.head, newest);
    // If the numbering goes on, the actor stays.
    else if (own && own.head.nextSequenceNumber > 0) yield infoOf(actor, own.head, undefined);
    if (own) head = await heads.next();
    if (newest !== undefined) snapshot = await snapshots.next();
  }
}

interface ActorHead {
  readonly actor: ActorAddress;
  readonly head: JournalState;
}

interface ActorSnapshot {
  readonly actor: ActorAddress;
  readonly newest: number;
}

function isEmpty({ firstSequenceNumber, nextSequenceNumber }: JournalState): boolean {
  return firstSequenceNumber === nextSequenceNumber;
}

function infoOf(
  { kind, actorId }: ActorAddress,
  head: JournalState | undefined,
  newest: number | undefined,
): ActorInfo {
  return {
    ...(kind !== "" && { kind }),
    actorId,
    lowestSequenceNumber: head?.firstSequenceNumber ?? 0,
    highestSequenceNumber: (head?.nextSequenceNumber ?? 0) - 1,
    ...(newest !== undefined && { newestSnapshot: newest }),
  };
}

/**
 * The journals of a range: those that have a head, and those of which the log says more. If the states
 * are not needed, those of the heads may be missing.
 */
async function* journalsIn(
  { storage, heads }: WholeReadServices,
  range: KeyRange,
  keysOnly: boolean,
): AsyncGenerator<ActorHead, undefined, undefined> {
  const hot = await heads.hotActors(range);
  let next = 0;
  for await (const { key, value } of keysIn(storage, "heads", range, keysOnly)) {
    const actor = actorIn(key);
    for (let other = hot[next]; other; other = hot[next]) {
      if (compareBytes(other.key, actor.key) > 0) break;
      next++;
      if (!isSame(other, actor)) yield* journalOf(heads, other);
    }
    const before = hot[next - 1];
    if (before && isSame(before, actor)) yield* journalOf(heads, actor);
    else yield { actor, head: keysOnly ? NO_JOURNAL : decodeHead(actor, key, value) };
  }
  for (const other of hot.slice(next)) yield* journalOf(heads, other);
}

async function* journalOf(
  heads: JournalHeads,
  actor: ActorAddress,
): AsyncGenerator<ActorHead, void, undefined> {
  const head = await heads.stateOf(actor);
  if (head.incarnation > 0) yield { actor, head };
}

/** The newest snapshot of each actor that has one. */
async function* newestSnapshotsIn(
  storage: Storage,
  range: KeyRange,
): AsyncGenerator<ActorSnapshot, undefined, undefined> {
  let start: Uint8Array | undefined = range.start;
  while (start) {
    let last: ActorSnapshot | undefined;
    let count = 0;
    let after: Uint8Array | undefined;
    // The keys of an actor are in the order of their numbers, so the newest one is the last.
    for await (const { key } of keysIn(storage, "snapshots", { ...range, start }, true)) {
      const actor = actorIn(key);
      if (last && !isSame(last.actor, actor)) {
        yield last;
        count = 0;
      }
      last = { actor, newest: snapshotNumberOf(key) };
      if (++count < MAX_KEYS_PER_PAGE) continue;
      // With so many it is quicker to look for the newest than to walk over all.
      last = { actor, newest: await newestSnapshot(storage, actor) ?? last.newest };
      after = entryKeysEnd(actor.key);
      break;
    }
    if (last) yield last;
    start = after;
  }
}

async function newestSnapshot(
  storage: Storage,
  { key }: ActorAddress,
): Promise<number | undefined> {
  const [newest] = await storage.scan("snapshots", {
    start: key,
    end: entryKeysEnd(key),
    reverse: true,
    maxEntries: 1,
    maxBytes: 1,
    keysOnly: true,
  });
  return newest && snapshotNumberOf(newest.key);
}

/** All keys of a range, which are undamaged, and their values if they are wanted. */
async function* keysIn(
  storage: Storage,
  keyspace: Keyspace,
  range: KeyRange,
  keysOnly: boolean,
): AsyncGenerator<StoredEntry, void, undefined> {
  // A key that is damaged in its kind or prefix may stand just outside the range.
  if (await hasDamagedNeighbor(storage, keyspace, range)) throw damagedKeyError(keyspace);
  let { start } = range;
  for (;;) {
    const page = await storage.scan(keyspace, {
      start,
      end: range.end,
      maxEntries: MAX_KEYS_PER_PAGE,
      maxBytes: MAX_PAGE_BYTES,
      keysOnly,
    });
    for (const stored of page) {
      if (!hasValidChecksum(stored.key)) throw damagedKeyError(keyspace);
      yield stored;
    }
    const last = page[page.length - 1];
    // A page of values may have ended because of its bytes.
    if (!last || (keysOnly && page.length < MAX_KEYS_PER_PAGE)) return;
    start = keyAfter(last.key);
  }
}

function actorIn(key: Uint8Array): ActorAddress {
  const actor = addressIn(key);
  if (!actor) throw damagedKeyError("heads");
  return actor;
}

/** The actor that comes first in the order of keys. */
function lower(
  one: ActorAddress | undefined,
  other: ActorAddress | undefined,
): ActorAddress | undefined {
  if (!one || !other) return one ?? other;
  return compareBytes(one.key, other.key) <= 0 ? one : other;
}

function isSame(one: ActorAddress, other: ActorAddress): boolean {
  return one.actorId === other.actorId && one.kind === other.kind;
}

/** The range of the keys of the actors that are listed, in any keyspace that begins with them. */
function checkRange(options: ListActorsOptions): KeyRange {
  checkOptions(options, OPERATION, LIST_ACTORS_OPTION_NAMES);
  const { kind, prefix, from, after } = options;
  let { start, end } = actorKeysWith(
    kind === undefined ? NO_BYTES : checkKind(kind, OPERATION),
    prefix === undefined ? NO_BYTES : checkPrefix(prefix, OPERATION),
  );
  const addressKey = (id: string) => addressOf(kind ?? "", id, OPERATION).key;
  if (from !== undefined) start = higher(start, addressKey(from));
  if (after !== undefined) start = higher(start, entryKeysEnd(addressKey(after)));
  return { start, end };
}

function higher(one: Uint8Array, other: Uint8Array): Uint8Array {
  return compareBytes(one, other) > 0 ? one : other;
}

function damagedKeyError(keyspace: Keyspace): PersistenceError {
  const noun = keyspace === "heads" ? "journal" : "snapshot";
  return new PersistenceError("CORRUPT", `Cannot ${OPERATION}: the key of a ${noun} is damaged`);
}
