/**
 * Mistakes that a collector or a committer could make, made here by changing what it commits.
 *
 * @module
 */

import { addressIn } from "../../../core/format/actor_address.ts";
import { KEY_CHECKSUM_BYTES } from "../../../core/format/checksummed_key.ts";
import { decodeHead } from "../../../core/format/head.ts";
import { sequenceNumberOf } from "../../../core/format/keys.ts";
import { collectorKey, LOG_VERSION } from "../../../core/format/log_keys.ts";
import { decodeOrder, encodeOrder, type LogOrder } from "../../../core/format/order_record.ts";
import type { StorageChange, WriteGroup } from "../../../core/ports/storage.ts";
import { compareBytes } from "../../../core/util/bytes.ts";
import type { Breakage } from "./case.ts";

const COLLECTOR_KEY = collectorKey(0);
/** So many commits after it was opened, and again and again, a process begins to collect anew. */
const DEATHS_EVERY = 2;

/** Makes the same mistake again and again, in the commits of one process. */
export class Mistakes {
  readonly #breakage: Breakage | undefined;
  /** The actors whose heads this process has written since it has last written an order. */
  readonly #collected = new Set<string>();
  #commits = 0;

  /** @param breakage Which one, if it is such a mistake. */
  constructor(breakage: Breakage | undefined) {
    this.#breakage = breakage;
  }

  /**
   * Makes the mistake, if it can be made.
   *
   * @param group What is committed.
   * @returns What is committed instead.
   */
  makeIn(group: WriteGroup): WriteGroup {
    const { conditions, changes } = group;
    switch (this.#breakage) {
      case "forgets the condition on the log":
        return { ...group, conditions: conditions.filter(({ keyspace }) => keyspace !== "log") };
      case "forgets the condition on the collector":
        return {
          ...group,
          conditions: conditions.filter(({ key }) => compareBytes(key, COLLECTOR_KEY) !== 0),
        };
      case "drops a piece of a collection":
        return { ...group, changes: withoutPiece(changes) };
      case "orders only what it has collected itself":
        return { ...group, changes: this.#withOwnOrder(changes) };
      default:
        return group;
    }
  }

  /** Right unless a process has begun the collection, and died. Now and then it is as if it had. */
  #withOwnOrder(changes: readonly StorageChange[]): StorageChange[] {
    if (this.#commits++ % DEATHS_EVERY === 0) this.#collected.clear();
    for (const { keyspace, key } of changes) {
      if (keyspace === "heads") this.#collected.add(actorIdIn(key));
    }
    return changes.map((change) => {
      const isOrder = change.keyspace === "log" && change.type === "put" &&
        change.version === LOG_VERSION.order;
      if (!isOrder) return change;
      const { key } = change;
      const value = encodeOrder(key, ownOrder(decodeOrder(key, change.value), this.#collected));
      this.#collected.clear();
      return { ...change, value };
    });
  }
}

function ownOrder({ firstPosition, actors, positions }: LogOrder, own: Set<string>): LogOrder {
  const isOwn = actors.map(({ key }) => own.has(addressIn(key)?.actorId ?? ""));
  return {
    firstPosition,
    actors,
    positions: positions.map((runs) => runs.filter((_, at) => isOwn[runs[at & ~1] ?? -1])),
  };
}

/** Without the head of one actor, and without what would have been collected of it. */
function withoutPiece(changes: readonly StorageChange[]): readonly StorageChange[] {
  const head = changes.find(({ keyspace }) => keyspace === "heads");
  if (head?.type !== "put") return changes;
  const actor = addressIn(head.key.subarray(0, head.key.length - KEY_CHECKSUM_BYTES));
  if (!actor) return changes;
  const { nextSequenceNumber: next } = decodeHead(actor, head.key, head.value);
  return changes.filter((change) => {
    if (change === head) return false;
    const isFrame = change.keyspace === "entries" &&
      addressIn(change.key)?.actorId === actor.actorId;
    return !isFrame || sequenceNumberOf(change.key) >= next;
  });
}

/** The id in the key of a head. */
function actorIdIn(key: Uint8Array): string {
  return addressIn(key.subarray(0, key.length - KEY_CHECKSUM_BYTES))?.actorId ?? "";
}
