/**
 * Reads of actors that may be deleted or erased meanwhile: what is left of them counts for nothing.
 *
 * The mark of a removal is looked for before something is read. If there is none, what is read is at
 * worst from just before the removal began. Afterwards would be too late: the mark of a removal that
 * has ended is gone, and what was read may be what it had left until then.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { type ActorAddress, addressIn } from "../format/actor_address.ts";
import { keyAfter, type KeyRange } from "../format/keys.ts";
import { removalKey } from "../format/removal_mark.ts";
import type { Storage } from "../ports/storage.ts";
import type { JournalHeads } from "./journal_head.ts";

const MARKS_PER_PAGE = 1_024;

/**
 * Whether an actor is being deleted or erased, so that what is left of it counts for nothing.
 *
 * @param storage The storage.
 * @param actor The actor.
 * @returns Whether its mark stands, damaged or not.
 * @throws {PersistenceError} `STORAGE_FAILED`.
 */
export async function isBeingRemoved(storage: Storage, { key }: ActorAddress): Promise<boolean> {
  return await storage.get("meta", removalKey(key)) !== undefined;
}

/**
 * The actors that are being deleted or erased. There is rarely one.
 *
 * @param storage The storage.
 * @param actors The range of the keys of the actors that are looked at.
 * @returns The actors.
 * @throws {PersistenceError} `STORAGE_FAILED`.
 */
export async function actorsBeingRemoved(
  storage: Storage,
  actors: KeyRange,
): Promise<ActorAddress[]> {
  const removed: ActorAddress[] = [];
  const end = removalKey(actors.end);
  for (let start = removalKey(actors.start);;) {
    const page = { start, end, maxEntries: MARKS_PER_PAGE, maxBytes: 1, keysOnly: true };
    const marks = await storage.scan("meta", page);
    for (const { key } of marks) {
      const address = addressIn(key.subarray(1));
      if (address) removed.push(address);
    }
    const last = marks[marks.length - 1];
    if (!last || marks.length < MARKS_PER_PAGE) return removed;
    start = keyAfter(last.key);
  }
}

/** What {@linkcode readWhole} reads with. */
export interface WholeReadServices {
  /** The storage. */
  readonly storage: Storage;
  /** Knows the journals. */
  readonly heads: JournalHeads;
}

/**
 * Reads several records of an actor that belong together, again if the actor was deleted or erased
 * meanwhile: half of them would be worse than none.
 *
 * @typeParam Result What is read.
 * @param services What it reads with.
 * @param actor The actor.
 * @param read Reads them.
 * @param nothing What there is while the actor is being removed.
 * @returns What counts.
 * @throws {unknown} What `read` throws.
 */
export async function readWhole<Result>(
  { storage, heads }: WholeReadServices,
  actor: ActorAddress,
  read: () => Promise<Result>,
  nothing: Result,
): Promise<Result> {
  for (let life = await lifeOf(heads, actor);;) {
    if (await isBeingRemoved(storage, actor)) return nothing;
    const result = await read();
    const after = await lifeOf(heads, actor);
    if (after === life) return result;
    life = after;
  }
}

/** Differs before and after each removal, and rarely otherwise. */
async function lifeOf(heads: JournalHeads, actor: ActorAddress): Promise<string> {
  try {
    const { incarnation, resetPosition } = await heads.stateOf(actor);
    return `${incarnation} ${resetPosition}`;
  } catch (error) {
    if (!(error instanceof PersistenceError)) throw error;
    // A caller that needs the journal gets the error.
    return "unreadable";
  }
}
