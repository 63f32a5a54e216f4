/**
 * What must hold while a simulation runs: the journals as they stand in the storage, checked with
 * each group that takes effect, and what was said of each call, checked when it is said.
 *
 * @module
 */

import { FrameCursor, openFrame, type StoredFrame } from "../../core/frame.ts";
import { HEAD_BYTES_BEFORE_TAIL } from "../../core/head.ts";
import {
  actorIdOf,
  actorKey,
  numberedKey,
  readUint32,
  readUint53,
  sequenceNumberOf,
} from "../../core/keys.ts";
import { KEY_GUARD_BYTES } from "../../core/guarded_key.ts";
import type { Change, WriteGroup } from "../../core/storage.ts";
import {
  type AppendCall,
  type AppendFailure,
  callNumberOf,
  messageOf,
} from "./simulation_calls.ts";

/** How many snapshots the stores of a simulation keep. */
export const KEPT_SNAPSHOTS = 2;
/** Where the two numbers of a head stand, as ARCHITECTURE.md says. */
const NEXT_OFFSET = 5;
const FIRST_OFFSET = 13;
const TAIL_FIRST_OFFSET = FIRST_OFFSET + 8;

/** What is known of one actor. */
export interface ModelActor {
  /** The messages that have ever taken effect, by sequence number. */
  readonly log: number[];
  /** The lowest sequence number that is retained. */
  first: number;
  headVersion: number | undefined;
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
        headVersion: undefined,
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
    let frames: Change[] = [];
    for (const change of changes) {
      if (change.space === "entries" && change.type === "put") frames.push(change);
      else if (change.space === "entries") this.#removeFrame(change.key);
      else if (change.space === "snapshots") this.#changeSnapshot(change);
      else if (change.space === "heads") {
        this.#changeHead(change, frames);
        frames = [];
      }
    }
    if (frames.length > 0) this.fail("entries were written without a head");
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

  /** What was called behind a failed append of the same actor, before it failed, must fail, too. */
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

  #changeHead(change: Change, frames: readonly Change[]): void {
    if (change.type === "delete") return this.fail("a head was deleted");
    const actorId = actorIdOf(change.key.subarray(0, change.key.length - KEY_GUARD_BYTES)) ?? "";
    const actor = this.actor(actorId);
    const next = readUint53(change.value, NEXT_OFFSET, "little-endian");
    const first = readUint53(change.value, FIRST_OFFSET, "little-endian");
    const version = (actor.headVersion ?? 0) + 1;
    if (change.version !== version) {
      this.fail(`the head of ${actorId} has version ${change.version} instead of ${version}`);
    }
    for (const frame of frames) this.#addFrame(actorId, actor, frame);
    this.#addTail(actorId, actor, change.value, next);
    if (next !== actor.log.length) {
      this.fail(`the head of ${actorId} says ${next}, but its entries end at ${actor.log.length}`);
    }
    if (!(first >= actor.first && first <= next)) {
      this.fail(`the journal of ${actorId} began at ${actor.first}, now at ${first} of ${next}`);
    }
    actor.first = first;
    actor.headVersion = change.version;
  }

  #addFrame(actorId: string, actor: ModelActor, change: Change): void {
    if (change.type === "delete") return;
    if (actorIdOf(change.key) !== actorId) return this.fail(`a frame of another than ${actorId}`);
    this.#addEntries(actorId, actor, openFrame(actorId, change.key, change.value));
  }

  /** The last entries stand in the head. */
  #addTail(actorId: string, actor: ModelActor, head: Uint8Array, next: number): void {
    const tailFirst = readUint53(head, TAIL_FIRST_OFFSET, "little-endian");
    if (tailFirst === next) return;
    const key = numberedKey(actorKey(actorId, "read"), next - 1);
    const frame = openFrame(actorId, key, head.subarray(HEAD_BYTES_BEFORE_TAIL));
    if (frame.firstSequenceNumber !== tailFirst) {
      this.fail(`the tail of ${actorId} begins at ${frame.firstSequenceNumber}, not ${tailFirst}`);
    }
    this.#addEntries(actorId, actor, frame);
  }

  /** Those that are known already have moved from the tail, or stand there once more. */
  #addEntries(actorId: string, actor: ModelActor, frame: StoredFrame): void {
    const cursor = new FrameCursor(frame, 0, Number.MAX_SAFE_INTEGER);
    while (cursor.advance()) {
      const message = readUint32(frame.bytes, cursor.payloadStart, "big-endian");
      if (actor.log[cursor.sequenceNumber] === message) continue;
      if (cursor.sequenceNumber !== actor.log.length) {
        this.fail(`${actorId} has an entry ${cursor.sequenceNumber} behind ${actor.log.length}`);
      }
      this.#addMessage(actorId, actor, message, cursor.timeMs);
    }
    if (frame.lastSequenceNumber !== actor.log.length - 1) {
      this.fail(`a frame of ${actorId} stands at ${frame.lastSequenceNumber}`);
    }
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
    if (before > call.id) this.fail(`${name} stands behind append ${before}, which came later`);
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

  #removeFrame(key: Uint8Array): void {
    const actorId = actorIdOf(key) ?? "";
    const { first } = this.actor(actorId);
    const last = sequenceNumberOf(key);
    if (last >= first) {
      this.fail(`${actorId} lost its entries up to ${last}, but begins at ${first}`);
    }
  }

  #changeSnapshot({ type, key }: Change): void {
    const bare = key.subarray(0, key.length - KEY_GUARD_BYTES);
    const actorId = actorIdOf(bare) ?? "";
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
