/**
 * What an actor is doing, and what each event means to it then.
 *
 * @module
 */

import type { Fifo } from "../../util/fifo.ts";
import type { ActorContext } from "../actor_context.ts";
import type { InFlightTask, Refusal } from "../in_flight.ts";
import type { Letter, Mailbox } from "../mailbox.ts";
import type { Settled } from "../../util/settled.ts";
import type { RecoveredState, RecoveryWatch, Strategy } from "../strategy.ts";

/** The names of the phases. */
export type PhaseName =
  | "requesting-turn"
  | "recovering"
  | "running"
  | "rewinding"
  | "stopping"
  | "stopped";

/** Ends a turn to recover, so that another actor can have it. Idempotent. */
export type EndTurn = () => void;

/**
 * A phase of an actor. The loop owns the phase that holds, and tells it of one event at a time; a
 * phase may make the loop enter another one.
 */
export interface Phase<State, Message, Reply> {
  /** Its name. */
  readonly name: PhaseName;
  /** The phase begins. */
  enter(): void;
  /** A message or a request is in the mailbox. */
  mailArrived(): void;
  /** The actor may recover now. */
  turnGranted(endTurn: EndTurn): void;
  /** The state has been recovered. */
  recovered(recovered: RecoveredState<State>): void;
  /** The state could not be recovered. */
  recoveryFailed(error: unknown): void;
  /** A handler that took its time has decided, or thrown, before its message was begun. */
  decided(letter: Letter<Message, Reply>, decision: Settled<unknown>): void;
  /** What was appended is durable. */
  runDurable(run: readonly InFlightTask<Message, Reply>[]): void;
  /** What was appended has failed. */
  runFailed(run: readonly InFlightTask<Message, Reply>[], error: unknown): void;
  /** A handler that took its time has handled, or thrown, after its message was durable. */
  handled(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown>,
  ): void;
  /** A message has been released that took its time. */
  released(refusal: Refusal | undefined): void;
  /** The actor is to stop when it has handled what it accepted. */
  stopRequested(): void;
  /** What the phase itself has started is done. */
  stepDone(step: unknown): void;
  /** The actor must stop at once. */
  abandoned(error: unknown): void;
}

/** The parts of an actor's context that do not depend on what is stored. */
export type LoopContext<State, Message, Reply> = Pick<
  ActorContext<State, Message, unknown, Reply, unknown>,
  | "actorId"
  | "events"
  | "name"
  | "options"
  | "policy"
  | "saver"
  | "state"
  | "next"
  | "released"
  | "journal"
  | "afterwards"
  | "afterwardsSettled"
  | "abandonAfterwards"
  | "outsideCalls"
  | "begin"
  | "report"
  | "save"
  | "endedError"
>;

/** A run that has failed, and has not been dealt with. */
export interface FailedRun {
  readonly error: unknown;
  /** How many tasks it had. */
  readonly tasks: number;
}

/** Why an actor goes back. */
export type RewindReason =
  /** A run could not be appended. */
  | { readonly type: "append" }
  /** A handler has thrown; `waits` if what was begun before must be released first. */
  | { readonly type: "supervision"; readonly refusal: Refusal; readonly waits: boolean };

/** The loop, as its phases see it. */
export interface Loop<State, Message, Reply> {
  /** The phase that holds. */
  readonly phase: Phase<State, Message, Reply>;
  readonly context: LoopContext<State, Message, Reply>;
  readonly strategy: Strategy<State, Message, Reply>;
  readonly mailbox: Mailbox<Message, Reply>;
  /** What has been begun and not released, in order. */
  readonly inFlight: Fifo<InFlightTask<Message, Reply>>;
  /** The message whose handler decides, before it is begun. */
  deciding: Letter<Message, Reply> | undefined;
  /** What is being released, and takes its time. */
  releasing: InFlightTask<Message, Reply> | undefined;
  /** The run that has failed, until the actor has gone back before it. */
  failedRun: FailedRun | undefined;
  /** How often in a row a run has failed. */
  failures: number;
  /** Whether it stops when it has handled what it accepted. */
  isStopRequested: boolean;
  /** Whether nothing waits and nothing is in flight. */
  readonly isDrained: boolean;

  /** Asks for a turn to recover; the phase hears when it is there. */
  requestTurn(): void;
  /** Recovers the state; the phase hears of the end. */
  recover(to: number | undefined, watch?: RecoveryWatch): void;
  /** Takes over a state that was recovered to the end of the journal. */
  takeOver(recovered: RecoveredState<State>): void;
  /** Does something that takes its time, and tells this phase when it is done. */
  step(step: unknown, done: Promise<unknown>): void;
  /** From now on tasks are appended one by one, until one is durable: to find what is at fault. */
  appendSingly(): void;
  /** Begins and releases, as far as that goes without waiting. */
  work(): void;
  /** Releases what is durable and has nothing before it, as far as that goes without waiting. */
  releaseReady(): void;
  /** A handler has decided: begins its message. */
  begin(letter: Letter<Message, Reply>, decision: Settled<unknown> | undefined): void;
  /** A message has been handled: releases it. */
  finishRelease(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown> | undefined,
  ): void;
  /** The actor has stopped, for this reason if it did so by itself. */
  left(failure: unknown): void;

  /** Enters the phase `recovering`. */
  toRecovering(endTurn: EndTurn): void;
  /** Enters the phase `running`, or `stopping` if that was requested. */
  toWork(): void;
  /** Enters the phase `rewinding`. */
  toRewinding(reason: RewindReason): void;
  /** Enters the phase `stopped`, for this reason if it does so by itself. */
  toStopped(failure: unknown): void;
}
