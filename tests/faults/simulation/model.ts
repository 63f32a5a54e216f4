/**
 * What must hold while a simulation runs: the journals as they stand in the storage, checked with
 * each group that takes effect, and what was said of each call, checked when it is said.
 *
 * @module
 */

import { KEY_CHECKSUM_BYTES } from "../../../core/format/checksummed_key.ts";
import { addressIn } from "../../../core/format/actor_address.ts";
import type { FrameCursor, StoredFrame } from "../../../core/format/frame.ts";
import { FLAGS_BYTES } from "../../../core/format/payload.ts";
import { sequenceNumberOf } from "../../../core/format/keys.ts";
import type { StorageChange, WriteGroup } from "../../../core/ports/storage.ts";
import { readUint32 } from "../../../core/util/bytes.ts";
import { type AppendCall, type AppendFailure, callNumberOf, messageOf } from "./calls.ts";
import { eachEntry, LogModel } from "./log_model.ts";

/** How many snapshots the stores of a simulation keep. */
export const KEPT_SNAPSHOTS = 2;

/** What is known of one actor. */
export interface ModelActor {
  /** The messages that have ever taken effect, by sequence number. */
  readonly log: number[];
  /** The lowest sequence number that is retained. */
  first: number;
  /** The numbers of the snapshots that are there. */
  snapshots: number[];
  /** The highest number of a snapshot that was acknowledged. */
  acknowledgedSnapshot: number;
  /** Whether snapshots have been deleted on demand. */
  snapshotsDeleted: boolean;
}

/** The model of a simulation. */
export class SimulationModel {
  /** All appends, by their number. */
  readonly calls: AppendCall[] = [];
  /** The first thing that did not hold. */
  failure: string | undefined;
  /** How many groups have taken effect. */
  groups = 0;

  readonly #actors = new Map<string, ModelActor>();
  readonly #log = new LogModel({
    add: (actorId, frame) => this.#addEntries(actorId, frame),
    truncate: (actorId, first) => this.#truncate(actorId, first),
    isKnown: (actorId, frame) => this.#isKnown(actorId, frame),
    firstOf: (actorId) => this.actor(actorId).first,
    fail: (message) => this.fail(message),
  });
  /** The last call of each provider that has taken effect, by actor. */
  readonly #lastCalls = new Map<string, number>();

  /**
   * Notes that something does not hold. Only the first time counts.
   *
   * @param message What.
   */
  fail(message: string): void {
    this.failure ??= message;
  }

  /** What is known of an actor. */
  actor(actorId: string): ModelActor {
    let actor = this.#actors.get(actorId);
    if (!actor) {
      actor = {
        log: [],
        first: 0,
        snapshots: [],
        acknowledgedSnapshot: -1,
        snapshotsDeleted: false,
      };
      this.#actors.set(actorId, actor);
    }
    return actor;
  }

  /**
   * A group takes effect.
   *
   * @param group The group.
   */
  apply({ changes }: WriteGroup): void {
    this.groups++;
    this.#log.apply(changes);
    for (const change of changes) {
      if (change.keyspace === "snapshots") this.#changeSnapshot(change);
    }
  }

  /**
   * An append was acknowledged.
   *
   * @param call The append.
   * @param first The number that its first message is said to have.
   */
  acknowledge(call: AppendCall, first: number): void {
    call.outcome = first;
    const name = nameOf(call);
    if (call.committedAt === undefined) {
      this.fail(`${name} was acknowledged and is not in the storage`);
    } else if (call.committedAt !== first) {
      this.fail(`${name} got the number ${first} and stands at ${call.committedAt}`);
    }
    if (call.expected !== undefined && call.expected !== first) {
      this.fail(`${name} expected ${call.expected} and got ${first}`);
    }
    if (call.doomed) this.fail(`${name} was acknowledged, but one before it had failed`);
  }

  /**
   * An append was rejected.
   *
   * @param call The append.
   * @param outcome What with.
   * @param failedAt The first step after the call in which its storage failed, if it did.
   * @param actual With a conflict: the next sequence number, as the caller was told.
   */
  reject(call: AppendCall, outcome: AppendFailure, failedAt: number, actual?: number): void {
    call.outcome = outcome;
    if (outcome === "REOPEN_REQUIRED") return;
    const name = nameOf(call);
    if (call.committedAt !== undefined) {
      this.fail(`${name} was rejected with ${outcome} and stands at ${call.committedAt}`);
    }
    if (outcome === "aborted" && !call.aborted) this.fail(`${name} was not aborted`);
    if (outcome === "CONFLICT" && call.expected === undefined) {
      this.fail(`${name} expected nothing and was rejected with CONFLICT`);
    }
    // What was told must have been found out after the call.
    if (
      outcome === "CONFLICT" && !(actual !== call.expected && (actual ?? -1) >= call.nextAtCall)
    ) {
      this.fail(`${name} expected ${call.expected} of ${call.nextAtCall} and was told ${actual}`);
    }
    if (outcome === "STORAGE_FAILED" || outcome === "STORAGE_FULL") {
      this.#doomFollowers(call, failedAt);
    }
  }

  /** What was called after a failed append of the same actor, before it failed, must fail, too. */
  #doomFollowers(call: AppendCall, failedAt: number): void {
    for (let id = call.id + 1; id < this.calls.length; id++) {
      const other = this.calls[id];
      if (!other || other.issuedAt >= failedAt) return;
      if (other.actorId !== call.actorId || other.instance !== call.instance) continue;
      if (other.isStreamed) continue;
      other.doomed = true;
      if (other.committedAt !== undefined) this.fail(`${nameOf(other)} overtook ${nameOf(call)}`);
    }
  }

  #truncate(actorId: string, first: number): void {
    const actor = this.actor(actorId);
    if (!(first >= actor.first && first <= actor.log.length)) {
      this.fail(`the journal of ${actorId} began at ${actor.first}, now at ${first}`);
    }
    actor.first = first;
  }

  #addEntries(actorId: string, frame: StoredFrame): void {
    const actor = this.actor(actorId);
    eachEntry(frame, (cursor) => {
      if (cursor.sequenceNumber !== actor.log.length) {
        this.fail(`${actorId} has an entry ${cursor.sequenceNumber} after ${actor.log.length}`);
      }
      this.#addMessage(actorId, actor, messageIn(cursor), cursor.timeMs);
    });
  }

  #isKnown(actorId: string, frame: StoredFrame): boolean {
    const { log } = this.actor(actorId);
    let isKnown = true;
    eachEntry(frame, (cursor) => {
      if (log[cursor.sequenceNumber] !== messageIn(cursor)) isKnown = false;
    });
    return isKnown;
  }

  #addMessage(actorId: string, actor: ModelActor, message: number, timeMs: number): void {
    const call = this.calls[callNumberOf(message)];
    if (!call) return this.fail(`${actorId} has the message ${message}, which nobody appended`);
    const index = message - messageOf(call, 0);
    const sequenceNumber = actor.log.length;
    actor.log.push(message);
    const name = nameOf(call);
    // Streams append when they get to it.
    if (timeMs !== call.timeMs && !call.isStreamed) {
      this.fail(`${name} was called at ${call.timeMs} and has the time ${timeMs}`);
    }
    if (call.actorId !== actorId) this.fail(`${name} stands in the journal of ${actorId}`);
    if (index === 0) this.#begin(call, sequenceNumber);
    else if (call.committedAt !== sequenceNumber - index) {
      this.fail(`${name} has its message ${index} at ${sequenceNumber}`);
    }
    this.#checkComplete(actor, call, index);
  }

  #begin(call: AppendCall, sequenceNumber: number): void {
    const name = nameOf(call);
    if (call.committedAt !== undefined) {
      this.fail(`${name} stands at ${call.committedAt} and again at ${sequenceNumber}`);
    }
    call.committedAt = sequenceNumber;
    const isRefused = typeof call.outcome === "string" && call.outcome !== "REOPEN_REQUIRED" &&
      call.outcome !== "unknown";
    if (isRefused) this.fail(`${name} was rejected with ${call.outcome} and took effect`);
    if (call.doomed) this.fail(`${name} took effect, but one before it had failed`);
    if (call.isStreamed) return;
    const line = `${call.instance} ${call.actorId}`;
    const before = this.#lastCalls.get(line) ?? -1;
    if (before > call.id) this.fail(`${name} stands after append ${before}, which came later`);
    this.#lastCalls.set(line, call.id);
  }

  /** Before another call's message, all of the one before must be there. */
  #checkComplete(actor: ModelActor, call: AppendCall, index: number): void {
    const before = actor.log[actor.log.length - 2 - index];
    if (index !== 0 || before === undefined) return;
    const other = this.calls[callNumberOf(before)];
    if (other && before !== messageOf(other, other.count - 1)) {
      this.fail(`only a part of ${nameOf(other)} stands before ${nameOf(call)}`);
    }
  }

  /** At the end of a run nothing may be half there. */
  checkEnds(): void {
    for (const [actorId, { log }] of this.#actors) {
      const last = log[log.length - 1];
      const call = last === undefined ? undefined : this.calls[callNumberOf(last)];
      if (call && last !== messageOf(call, call.count - 1)) {
        this.fail(`${actorId} ends with a part of ${nameOf(call)}`);
      }
    }
  }

  #changeSnapshot({ type, key }: StorageChange): void {
    const bare = key.subarray(0, key.length - KEY_CHECKSUM_BYTES);
    const actorId = idIn(bare) ?? "";
    const actor = this.actor(actorId);
    const number = sequenceNumberOf(bare);
    const others = actor.snapshots.filter((other) => other !== number);
    actor.snapshots = type === "put" ? [...others, number].sort((a, b) => a - b) : others;
    if (type === "put" || actor.snapshotsDeleted) return;
    const newer = others.filter((other) => other > number).length;
    if (newer < KEPT_SNAPSHOTS) {
      this.fail(`the snapshot ${number} of ${actorId} was deleted with ${newer} newer ones`);
    }
  }
}

/** How a call is named in messages. */
export function nameOf({ id, actorId, instance, count }: AppendCall): string {
  return `append ${id} (${count} to ${actorId}, provider ${instance})`;
}

function messageIn({ bytes, payloadStart }: FrameCursor): number {
  return readUint32(bytes, payloadStart + FLAGS_BYTES, "big-endian");
}

/** The id in a key of an actor without kind. */
function idIn(key: Uint8Array): string | undefined {
  const address = addressIn(key);
  return address?.kind === "" ? address.actorId : undefined;
}
