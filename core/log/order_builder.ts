/**
 * Finds out in which order the entries of a part of the log were committed.
 *
 * @module
 */

import type { LogOrder, OrderedActor } from "../format/order_record.ts";
import { LOG_ITEM } from "../format/log_record.ts";
import type { HotIndex } from "./hot_index.ts";
import { addsEntries, type LogActor } from "./log_actor.ts";

/** Where an actor stands in the order. */
interface Place {
  /** Its index in the order, or `undefined` if it has added no entry since it was deleted, if ever. */
  index: number | undefined;
  /** The incarnation of its journal, 0 if that is not known, or it has none. */
  incarnation: number;
}

/**
 * Builds the order of a part of the log, in which no item is damaged, bit by bit. It takes it from
 * the records alone, so it is the same if an earlier attempt to collect the part was interrupted.
 */
export class OrderBuilder {
  readonly #hot: HotIndex;
  readonly #first: number;
  readonly #end: number;
  readonly #incarnations: ReadonlyMap<LogActor, number>;
  readonly #places = new Map<LogActor, Place>();
  readonly #actors: OrderedActor[] = [];
  readonly #positions: number[][] = [];
  #next: number;

  /**
   * @param hot The hot part of the log.
   * @param first The first position of the part.
   * @param end The position after it.
   * @param incarnations The incarnations of the journals that were there before the part.
   */
  constructor(
    hot: HotIndex,
    first: number,
    end: number,
    incarnations: ReadonlyMap<LogActor, number>,
  ) {
    this.#hot = hot;
    this.#first = first;
    this.#next = first;
    this.#end = end;
    this.#incarnations = incarnations;
  }

  /** The order, once all of it has been looked at. */
  get order(): LogOrder | undefined {
    if (this.#next < this.#end) return undefined;
    return { firstPosition: this.#first, actors: this.#actors, positions: this.#positions };
  }

  /**
   * Looks at the next records.
   *
   * @param maxItems It ends with the record at which it has looked at so many items.
   */
  advance(maxItems: number): void {
    for (let items = 0; this.#next < this.#end && items < maxItems; this.#next++) {
      const record = this.#hot.records.get(this.#next);
      const runs: number[] = [];
      for (let index = 0; record && index < record.count; index++) {
        const item = record.item(index);
        const { keyStart, keyEnd } = item;
        const checksum = record.keyChecksum(index);
        const actor = this.#hot.findIn(record.bytes, keyStart, keyEnd, checksum);
        if (!actor) continue;
        const place = this.#placeOf(actor);
        if (item.type === LOG_ITEM.truncation) continue;
        if (item.deletes) {
          place.index = undefined;
          place.incarnation = 0;
          continue;
        }
        if (place.incarnation === 0) place.incarnation = this.#next;
        if (addsEntries(item.type)) {
          runs.push(this.#indexOf(place, actor, item.sequenceNumber), item.count);
        } else place.index = undefined;
      }
      items += record?.count ?? 1;
      this.#positions.push(runs);
    }
  }

  #placeOf(actor: LogActor): Place {
    let place = this.#places.get(actor);
    if (!place) {
      place = { index: undefined, incarnation: this.#incarnations.get(actor) ?? 0 };
      this.#places.set(actor, place);
    }
    return place;
  }

  #indexOf(place: Place, actor: LogActor, sequenceNumber: number): number {
    if (place.index === undefined) {
      const { incarnation } = place;
      place.index = this.#actors.push({ key: actor.key, incarnation, sequenceNumber }) - 1;
    }
    return place.index;
  }
}
