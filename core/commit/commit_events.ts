/**
 * Tells of commits: what they carried, and how they ended.
 *
 * @module
 */

import type { StorageChange } from "../ports/storage.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import { failureIn } from "../telemetry/telemetry_hub.ts";
import type { ActorQueue, CommitPlan, Operation } from "./actor_queue.ts";

/** What a commit carries. */
export interface CommitLoad {
  readonly appends: number;
  readonly messages: number;
  readonly bytes: number;
  readonly actors: number;
  readonly writes: number;
  readonly waitMs: number;
  /** The entries that it truncates, by the kind of the actor. */
  readonly truncated: readonly (readonly [kind: string, entries: number])[];
}

/** Tells of commits, if anybody listens. */
export class CommitEvents {
  readonly #telemetry: TelemetrySink;
  readonly #now: () => number;

  /**
   * @param telemetry What it reports to.
   * @param now Tells the time that is stored with messages.
   */
  constructor(telemetry: TelemetrySink, now: () => number) {
    this.#telemetry = telemetry;
    this.#now = now;
  }

  /**
   * Looks at what a commit carries, before it begins.
   *
   * @param plans What it does for actors.
   * @param writes How many writes it carries that belong to no journal.
   * @returns What it carries, or `undefined` if nobody listens.
   */
  loadOf(plans: readonly CommitPlan[], writes: number): CommitLoad | undefined {
    if (!this.#telemetry.isEnabled) return undefined;
    let [appends, messages, bytes, oldestMs] = [0, 0, 0, Infinity];
    const truncated: [string, number][] = [];
    for (const { actor, operations, state } of plans) {
      for (const operation of operations) {
        if (operation.type === "truncate") continue;
        appends += 1 + (operation.joined?.resolve.length ?? 0);
        messages += operation.count;
        bytes += operation.bytes;
        oldestMs = Math.min(oldestMs, operation.timeMs);
      }
      const before = actor.journal.state?.firstSequenceNumber ?? state.firstSequenceNumber;
      const entries = state.firstSequenceNumber - before;
      if (entries > 0) truncated.push([actor.address.kind, entries]);
    }
    // The clock may have been set back.
    const waitMs = appends > 0 ? Math.max(0, this.#now() - oldestMs) : 0;
    return { appends, messages, bytes, actors: plans.length, writes, waitMs, truncated };
  }

  /**
   * Tells that a commit has ended, and was carried out unless another process was faster.
   *
   * @param load What it carried, if somebody listened when it began.
   * @param durationMs How long it took.
   * @param outcome What came of its plans.
   */
  ended(
    load: CommitLoad | undefined,
    durationMs: number,
    outcome: "committed" | "conflict",
  ): void {
    if (!load) return;
    const { truncated, ...carried } = load;
    const failure = undefined;
    this.#telemetry.emit({ type: "commit", outcome, failure, durationMs, ...carried });
    if (outcome === "conflict") return;
    for (const [kind, messages] of truncated) {
      this.#telemetry.emit({ type: "truncation", kind, messages });
    }
  }

  /**
   * Tells that a commit has failed.
   *
   * @param load What it carried, if somebody listened when it began.
   * @param durationMs How long it took.
   * @param error Why.
   */
  failed(load: CommitLoad | undefined, durationMs: number, error: unknown): void {
    if (!load) return;
    const { truncated: _, ...carried } = load;
    const failure = failureIn(error);
    this.#telemetry.emit({ type: "commit", outcome: "failed", failure, durationMs, ...carried });
  }

  /**
   * Tells that a piece of the log has been collected.
   *
   * @param changes What that has written.
   */
  collected(changes: readonly StorageChange[]): void {
    if (!this.#telemetry.isEnabled) return;
    const bytes = changes.reduce(
      (sum, change) => change.type === "put" ? sum + change.value.length : sum,
      0,
    );
    this.#telemetry.emit({ type: "collection", failure: undefined, bytes });
  }

  /**
   * Tells that the log could not be collected.
   *
   * @param error Why.
   */
  notCollected(error: unknown): void {
    if (!this.#telemetry.isEnabled) return;
    this.#telemetry.emit({ type: "collection", failure: failureIn(error), bytes: 0 });
  }

  /**
   * Tells that an operation has found no room.
   *
   * @param actor Its actor.
   * @param operation The operation. Truncations always find room.
   * @param outcome Whether it waits for room.
   */
  heldBack(
    { address }: ActorQueue,
    operation: Operation,
    outcome: "waiting" | "refused",
  ): void {
    if (operation.type !== "append" || !this.#telemetry.isEnabled) return;
    const { count: messages, bytes } = operation;
    this.#telemetry.emit({ type: "backpressure", outcome, kind: address.kind, messages, bytes });
  }
}
