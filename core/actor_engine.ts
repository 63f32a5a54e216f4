/**
 * What is behind an actor: its pipeline, and beside it the snapshots, the outbox and their clocks.
 *
 * @module
 */

import type { EffectPlace, PendingEffect } from "./actor_entry.ts";
import type { ActorProblem, CheckedActorOptions, StatefulActorOptions } from "./actor_options.ts";
import type { ActorPipeline, PipelineHost, PipelineParts } from "./actor_pipeline.ts";
import { type ActorRecovery, ActorState } from "./actor_state.ts";
import { CommandPipeline } from "./command_pipeline.ts";
import { ArgumentTypeError } from "./errors.ts";
import { EventPipeline } from "./event_pipeline.ts";
import type { Letter } from "./mailbox.ts";
import { Outbox } from "./outbox.ts";
import { checkRetention } from "./retention.ts";
import { estimateBytes } from "./size_estimate.ts";
import { SnapshotPolicy } from "./snapshot_policy.ts";
import { type Capture, SnapshotSaver } from "./snapshot_saver.ts";

/** So many effects are confirmed with one entry, so that it stays small. */
const MAX_CONFIRMED = 1_000;

/** How the actor was recovered. */
export type RecoveryFigures = Omit<ActorRecovery, "replayedBytes" | "refused">;

/** What an actor's public face needs of its engine, whatever the types of what is stored. */
export interface Engine<Message, Reply> {
  readonly terminated: Promise<void>;
  readonly status: "recovering" | "running" | "stopped";
  /** Why the actor has stopped by itself, if it has. */
  readonly failure: unknown;
  readonly pending: number;
  readonly isIdle: boolean;
  start(after: Promise<void> | undefined): Promise<RecoveryFigures>;
  post(letter: Letter<Message, Reply>): void;
  snapshot(): Promise<void>;
  stop(): Promise<void>;
}

/** The parts of an actor, put together. */
export class ActorEngine<State, Message, Stored, Reply, Effect>
  implements Engine<Message, Reply>, PipelineHost {
  readonly terminated: Promise<void>;
  status: "recovering" | "running" | "stopped" = "recovering";
  failure: unknown;

  readonly #actorId: string;
  readonly #checked: CheckedActorOptions<Message>;
  readonly #state: ActorState<State, Message, Stored, Reply, Effect>;
  readonly #pipeline: ActorPipeline<State, Message, Stored, Reply, Effect>;
  readonly #policy: SnapshotPolicy<State>;
  readonly #saver: SnapshotSaver<State> | undefined;
  readonly #outbox: Outbox<Effect> | undefined;
  readonly #onIdle: () => void;
  #terminate!: () => void;
  /** Whether a state has been taken that is saved when it is durable. */
  #isCaptured = false;
  /** Whether confirmations are being stored. */
  #confirming = false;
  /** Those that wait for that to end. */
  readonly #toConfirm: EffectPlace[] = [];

  constructor(
    options: StatefulActorOptions<State, Message, Stored, Reply, Effect>,
    checked: CheckedActorOptions<Message>,
    onIdle: () => void,
  ) {
    const { actorId, journal, snapshots, behavior, signal } = options;
    const operation = `start actor "${actorId}"`;
    this.#actorId = actorId;
    this.#checked = checked;
    this.#onIdle = onIdle;
    this.terminated = new Promise((resolve) => {
      this.#terminate = resolve;
    });
    const retention = checkRetention(options.retention ?? {}, operation);
    this.#policy = new SnapshotPolicy<State>(
      snapshots ? options.snapshotPolicy ?? {} : "manual",
      () => this.#postSnapshot(),
      operation,
    );
    this.#state = new ActorState({
      actorId,
      journal,
      snapshots,
      behavior,
      countsBytes: this.#policy.countsBytes,
    });
    this.#saver = snapshots && new SnapshotSaver(
      {
        actorId,
        journal,
        snapshots,
        retention,
        retry: checked.retry,
        onProblem: checked.onProblem,
        saved: (sequenceNumber) => this.#state.saved(sequenceNumber),
      },
      this.#policy,
    );
    this.#outbox = options.outbox && new Outbox<Effect>(options.outbox, {
      actorId,
      retry: checked.retry,
      confirm: (place) => this.#confirm(place),
      failed: (effectId, attempt, error) =>
        this.#report({ type: "delivery", actorId, error, effectId, attempt }),
      emptied: () => this.idle(),
    });
    const parts: PipelineParts<State, Message, Stored, Reply, Effect> = {
      actorId,
      journal,
      state: this.#state,
      options: checked,
      host: this,
      hasOutbox: this.#outbox !== undefined,
      watch: {
        ...(signal && { signal }),
        ...(options.onProgress && { onProgress: options.onProgress }),
      },
    };
    this.#pipeline = behavior.type === "events"
      ? new EventPipeline(parts, behavior.events)
      : new CommandPipeline(parts, behavior.commands);
  }

  get pending(): number {
    return this.#pipeline.pending;
  }

  get isIdle(): boolean {
    return this.#pipeline.isIdle && !this.#policy.saving && (this.#outbox?.size ?? 0) === 0;
  }

  async start(after: Promise<void> | undefined): Promise<RecoveryFigures> {
    try {
      await after;
      const { replayedBytes: _, refused: _r, ...recovery } = await this.#pipeline.start();
      if (this.status === "recovering") this.status = "running";
      return recovery;
    } catch (error) {
      this.#pipeline.end(error);
      throw error;
    }
  }

  post(letter: Letter<Message, Reply>): void {
    this.#pipeline.post(letter);
  }

  snapshot(): Promise<void> {
    const saver = this.#saver;
    if (!saver) {
      return Promise.reject(
        new ArgumentTypeError(
          `Cannot save snapshot of actor "${this.#actorId}": it has no snapshot store`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#pipeline.post({
        type: "snapshot",
        save: (capture) => void saver.save(capture).then(resolve, reject),
        end: (error) => error === undefined ? resolve() : reject(error),
      });
    });
  }

  async stop(): Promise<void> {
    await this.#pipeline.drained();
    this.#policy.stop();
    await this.#outbox?.stop();
    // What was delivered meanwhile is still to be confirmed.
    await this.#pipeline.drained();
    await this.#saver?.idle;
    await this.#close();
    this.#policy.stop();
    this.status = "stopped";
    this.#onIdle();
    this.#terminate();
  }

  async #close(): Promise<void> {
    try {
      await this.#pipeline.close();
    } catch (error) {
      this.#report({ type: "stop", actorId: this.#actorId, error });
    }
  }

  recovered(recovery: ActorRecovery): void {
    this.#isCaptured = false;
    for (const { error } of recovery.unreadableSnapshots) {
      this.#report({ type: "snapshot-unreadable", actorId: this.#actorId, error });
    }
    for (const { error } of recovery.refused) {
      this.#report({ type: "message", actorId: this.#actorId, error });
    }
    this.#saver?.recoveredFrom(recovery.snapshot?.sequenceNumber ?? -1);
    this.#policy.reset(recovery.replayed, recovery.replayedBytes);
    this.#outbox?.reset(this.#state.pending);
    if (this.#saver && this.#policy.isDue()) this.#postSnapshot();
  }

  observe(stored: readonly unknown[], sequenceNumber: number): boolean {
    const bytes = this.#policy.countsBytes ? estimateBytes(stored) : 0;
    const isDue = this.#policy.observe(stored.length, bytes, this.#state.state, sequenceNumber);
    if (!isDue || !this.#saver || this.#isCaptured) return false;
    this.#isCaptured = true;
    return true;
  }

  save(capture: Capture): void {
    this.#isCaptured = false;
    // Where it fails the saver reports it.
    this.#saver?.save(capture).catch(() => {});
  }

  deliver(effects: readonly PendingEffect[]): void {
    for (const effect of effects) this.#outbox?.add(effect);
  }

  confirmed(places: readonly EffectPlace[]): void {
    this.#outbox?.forget(places);
    this.#confirming = this.#toConfirm.length > 0;
    if (!this.#confirming) return;
    this.#pipeline.post({ type: "confirm", places: this.#toConfirm.splice(0, MAX_CONFIRMED) });
  }

  idle(): void {
    if (this.#pipeline?.isIdle) this.#onIdle();
  }

  ended(error: unknown): void {
    this.status = "stopped";
    this.failure = error;
    this.#policy.stop();
    this.#onIdle();
    this.#report({ type: "stopped", actorId: this.#actorId, error });
    void Promise.all([this.#outbox?.stop(), this.#saver?.idle]).then(this.#terminate);
  }

  /** An effect was delivered. What is delivered while that is being stored is stored together. */
  #confirm(place: EffectPlace): void {
    this.#toConfirm.push(place);
    if (this.#confirming) return;
    this.#confirming = true;
    this.#pipeline.post({ type: "confirm", places: this.#toConfirm.splice(0, MAX_CONFIRMED) });
  }

  #postSnapshot(): void {
    this.#pipeline.post({
      type: "snapshot",
      save: (capture) => {
        if (this.#policy.hasChanges && !this.#policy.saving) this.save(capture);
      },
      end: (error) => {
        if (error === undefined || this.failure !== undefined) return;
        this.#report({ type: "snapshot", actorId: this.#actorId, error });
      },
    });
  }

  #report(problem: ActorProblem): void {
    this.#checked.onProblem(problem);
  }
}
