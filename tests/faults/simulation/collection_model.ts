/**
 * What must hold of the collection of the log while a simulation runs: frames, heads and orders say
 * what the log has said, nothing is forgotten before it stands in them, and one process collects at
 * a time.
 *
 * @module
 */

import { type ActorAddress, addressIn } from "../../../core/format/actor_address.ts";
import { KEY_CHECKSUM_BYTES } from "../../../core/format/checksummed_key.ts";
import { readFrame, type StoredFrame } from "../../../core/format/frame.ts";
import { decodeHead, type StoredHead } from "../../../core/format/head.ts";
import { entryKey, sequenceNumberOf } from "../../../core/format/keys.ts";
import {
  collectedKey,
  collectorKey,
  decodePositions,
  LOG_VERSION,
  type LogPositions,
  positionIn,
} from "../../../core/format/log_keys.ts";
import { decodeOrder, type LogOrder } from "../../../core/format/order_record.ts";
import type { StorageChange } from "../../../core/ports/storage.ts";
import { compareBytes } from "../../../core/util/bytes.ts";
import type { LogListener, Put } from "./log_model.ts";
import type { LogPast } from "./log_past.ts";

const COLLECTED_KEY = collectedKey(0);
const COLLECTOR_KEY = collectorKey(0);

/** Where the entries of an actor stand, beside the log. */
interface Places {
  /** The frames: the number of the first entry, by that of the last. */
  readonly frames: Map<number, number>;
  head: StoredHead | undefined;
}

/** Checks the collection of a log. */
export class CollectionModel {
  readonly #past: LogPast;
  readonly #listener: LogListener;
  readonly #places = new Map<string, Places>();
  /** The positions of the records that have not been removed. */
  readonly #records = new Set<number>();
  readonly #orders = new Set<number>();
  #collected = 1;
  /** The version of what the collector has noted. */
  #noteVersion = 0;

  /**
   * @param past What the log has said.
   * @param listener Knows the journals.
   */
  constructor(past: LogPast, listener: LogListener) {
    this.#past = past;
    this.#listener = listener;
  }

  /**
   * A group takes effect, and its record, if it has one, has been read.
   *
   * @param changes Its changes.
   * @param referred The frames that its record refers to.
   */
  apply(changes: readonly StorageChange[], referred: ReadonlySet<StorageChange>): void {
    const note = changes.find((change) => isMeta(change, COLLECTOR_KEY));
    const moved = changes.find((change) => isMeta(change, COLLECTED_KEY));
    const end = moved ? positionsIn(moved)?.first : note && positionsIn(note)?.first;
    let isCollection = moved !== undefined;
    for (const change of changes) {
      const isCollected = this.#take(change, end, referred.has(change));
      if (isCollected) isCollection = true;
    }
    if (isCollection && !note) this.#listener.fail("something was collected, but not noted");
    if (moved) this.#moveTo(positionsIn(moved)?.first ?? NaN);
    if (note) this.#checkNote(note);
  }

  /** Returns whether only a collection makes such a change. */
  #take(change: StorageChange, end: number | undefined, isReferred: boolean): boolean {
    switch (change.keyspace) {
      case "heads":
        this.#changeHead(change, end);
        return true;
      case "entries":
        if (change.type === "put") this.#putFrame(change, isReferred);
        else this.#removeFrame(change.key);
        return change.type === "put" && !isReferred;
      case "log":
        if (change.type === "delete") this.#removeRecord(change.key);
        else if (change.version === LOG_VERSION.order) this.#putOrder(change, end);
        else this.#records.add(this.#past.position);
        return change.type === "delete" || change.version === LOG_VERSION.order;
      default:
        return false;
    }
  }

  /** Two that collect at once would write the same version twice. */
  #checkNote(note: StorageChange): void {
    const version = note.type === "put" ? note.version : NaN;
    if (version !== this.#noteVersion + 1) {
      this.#listener.fail(`the collector notes ${version} after ${this.#noteVersion}`);
    }
    this.#noteVersion++;
    const removed = positionsIn(note)?.second ?? NaN;
    if (!(removed <= this.#collected)) {
      this.#listener.fail(`records up to ${removed} were removed, but not collected`);
    }
    for (const position of this.#records) {
      if (position < removed) this.#listener.fail(`the record at ${position} was left`);
    }
  }

  #removeFrame(key: Uint8Array): void {
    const actorId = addressIn(key)?.actorId ?? "";
    const last = sequenceNumberOf(key);
    const first = this.#listener.firstOf(actorId);
    if (last >= first) {
      this.#listener.fail(`${actorId} lost its entries up to ${last}, but begins at ${first}`);
    }
    this.#placesOf(actorId).frames.delete(last);
  }

  /** What was collected must be what the log has said. */
  #putFrame({ key, value, version }: Put, isReferred: boolean): void {
    const actor = addressIn(key);
    if (!actor) return this.#listener.fail("a frame is nobody's");
    const { actorId } = actor;
    const frame = readFrame(actor, key, value);
    if (!isReferred) this.#checkKnown(actorId, frame);
    const incarnation = this.#past.incarnationOf(actorId);
    if (version !== incarnation) {
      this.#listener.fail(`a frame of ${actorId} has version ${version}, not ${incarnation}`);
    }
    this.#placesOf(actorId).frames.set(frame.lastSequenceNumber, frame.firstSequenceNumber);
  }

  #checkKnown(actorId: string, frame: StoredFrame): void {
    if (this.#listener.isKnown(actorId, frame)) return;
    const { firstSequenceNumber: first, lastSequenceNumber: last } = frame;
    this.#listener.fail(`entries ${first} to ${last} of ${actorId} are not what the log said`);
  }

  /** It says what the log has said before its position, neither less nor more. */
  #changeHead(change: StorageChange, end: number | undefined): void {
    const actor = addressIn(change.key.subarray(0, change.key.length - KEY_CHECKSUM_BYTES));
    if (!actor) return this.#listener.fail("a head is nobody's");
    const { actorId } = actor;
    if (change.type === "delete") return this.#listener.fail(`${actorId} lost its head`);
    const head = decodeHead(actor, change.key, change.value);
    const places = this.#placesOf(actorId);
    const fail = (what: string) => this.#listener.fail(`the head of ${actorId} ${what}`);
    const { position, nextSequenceNumber: next, firstSequenceNumber: first } = head;
    if (position !== end || change.version !== position) fail(`is as of ${position}, not ${end}`);
    const before = places.head?.position ?? 0;
    if (position <= before) fail(`is as of ${position} after ${before}`);
    const then = this.#past.at(actorId, position);
    if (next !== then.next) fail(`ends at ${next}, not at ${then.next}`);
    // What is truncated by now need not be collected.
    if (!(first >= then.first && first <= this.#listener.firstOf(actorId))) {
      fail(`begins at ${first}, not at ${then.first}`);
    }
    if (head.incarnation !== this.#past.incarnationOf(actorId)) {
      fail(`has incarnation ${head.incarnation}`);
    }
    if (head.originSequenceNumber + head.resetPosition > 0) fail("tells of a reset");
    this.#checkTail(actor, head);
    places.head = head;
    this.#checkFrames(actorId, places, head);
  }

  #checkTail(actor: ActorAddress, head: StoredHead): void {
    const { nextSequenceNumber: next, tailSequenceNumber: first, tail } = head;
    if (tail.length === 0 && first === next) return;
    const frame = readFrame(actor, entryKey(actor.key, next - 1), tail);
    if (frame.firstSequenceNumber !== first) {
      this.#listener.fail(`the tail of ${actor.actorId} begins at ${frame.firstSequenceNumber}`);
    }
    this.#checkKnown(actor.actorId, frame);
  }

  /** Each entry stands exactly once in frames and tail. Only the log refers to what comes after. */
  #checkFrames(actorId: string, { frames }: Places, head: StoredHead): void {
    const { tailSequenceNumber: tail, nextSequenceNumber: next } = head;
    const retained = this.#listener.firstOf(actorId);
    let end: number | undefined;
    for (const [last, first] of [...frames].sort(([one], [other]) => one - other)) {
      if (last >= tail && first < next) {
        this.#listener.fail(`entries ${first} to ${last} of ${actorId} stand in its tail as well`);
      }
      if (last >= tail) break;
      // What has been truncated may be missing.
      const isAfter = end === undefined || first === end || (first > end && first <= retained);
      if (!isAfter) {
        this.#listener.fail(`a frame of ${actorId} begins at ${first}, not at ${end}`);
      }
      if (end === undefined && first > retained && retained < tail) {
        this.#listener.fail(`${actorId} lost its entries from ${retained} to ${first}`);
      }
      end = last + 1;
    }
    if (retained < tail && end !== tail) {
      this.#listener.fail(`the frames of ${actorId} end at ${end}, its tail begins at ${tail}`);
    }
  }

  #removeRecord(key: Uint8Array): void {
    const position = positionIn(key) ?? NaN;
    if (!(position < this.#collected) || this.#orders.has(position)) {
      this.#listener.fail(`the record at ${position} was removed`);
    }
    if (!this.#records.delete(position)) {
      this.#listener.fail(`the record at ${position} was removed again`);
    }
  }

  /** It has the runs of the records that it replaces. */
  #putOrder({ key, value }: Put, end: number | undefined): void {
    const last = positionIn(key) ?? NaN;
    const order = decodeOrder(key, value);
    this.#records.delete(last);
    this.#orders.add(last);
    const { firstPosition: first, positions } = order;
    if (first !== this.#collected || first + positions.length - 1 !== last || last + 1 !== end) {
      this.#listener.fail(`the order of ${positions.length} from ${first} stands at ${last}`);
    }
    this.#checkRuns(order);
  }

  #checkRuns({ firstPosition, actors, positions }: LogOrder): void {
    const names = actors.map(({ key }) => addressIn(key)?.actorId ?? "");
    if (new Set(names).size < names.length) this.#listener.fail(`an order has ${names}`);
    const next = actors.map(({ sequenceNumber }) => sequenceNumber);
    for (const [index, { incarnation }] of actors.entries()) {
      if (incarnation === this.#past.incarnationOf(names[index] ?? "")) continue;
      this.#listener.fail(`the order has incarnation ${incarnation} of ${names[index]}`);
    }
    for (const [index, runs] of positions.entries()) {
      const said: string[] = [];
      for (let at = 0; at < runs.length; at += 2) {
        const actor = runs[at] ?? -1;
        const count = runs[at + 1] ?? 0;
        const first = next[actor] ?? NaN;
        next[actor] = first + count;
        said.push(`${names[actor]}: ${first} + ${count}`);
      }
      const position = firstPosition + index;
      const was = this.#past.runsAt(position)
        .map(({ actorId, first, count }) => `${actorId}: ${first} + ${count}`);
      if (said.join() === was.join()) continue;
      this.#listener.fail(`the order of ${position} is ${said.join()}, not ${was.join()}`);
    }
  }

  /** Everything before the new position must stand in frames and heads. */
  #moveTo(position: number): void {
    if (!(position > this.#collected && position <= this.#past.position + 1)) {
      this.#listener.fail(`collected up to ${position} after ${this.#collected}`);
    }
    if (!this.#orders.has(position - 1)) {
      this.#listener.fail(`collected up to ${position} without an order`);
    }
    this.#collected = position;
    for (const actorId of this.#past.actorIds) {
      const { next, first } = this.#past.at(actorId, position);
      const { head } = this.#placesOf(actorId);
      if ((head?.nextSequenceNumber ?? 0) >= next && (head?.firstSequenceNumber ?? 0) >= first) {
        continue;
      }
      this.#listener.fail(`${actorId} lost what it was to the collection up to ${position}`);
    }
  }

  #placesOf(actorId: string): Places {
    let places = this.#places.get(actorId);
    if (!places) {
      places = { frames: new Map(), head: undefined };
      this.#places.set(actorId, places);
    }
    return places;
  }
}

function isMeta({ keyspace, key }: StorageChange, wanted: Uint8Array): boolean {
  return keyspace === "meta" && compareBytes(key, wanted) === 0;
}

function positionsIn(change: StorageChange): LogPositions | undefined {
  return change.type === "put" ? decodePositions(change) : undefined;
}
