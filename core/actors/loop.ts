/**
 * The loop of an actor: it owns the phase that holds, the mailbox, and what is in flight. Whatever
 * happens, a message, a commit, a throw, a time-out, a stop, is an event to the loop, which handles
 * one at a time: an event that comes up while another one is handled, because a callback of the user
 * called the actor, waits for its turn.
 *
 * @module
 */

import { retry } from "../errors/retry.ts";
import { Fifo } from "../util/fifo.ts";
import { isPromise } from "../util/promises.ts";
import { type InFlightTask, inFlightTask, type Refusal } from "./in_flight.ts";
import { JournalWriter, type RunStore } from "./journal_writer.ts";
import { Letter, Mailbox, type SnapshotRequest, type Task } from "./mailbox.ts";
import type { EndTurn, FailedRun, Loop, LoopContext, Phase, RewindReason } from "./phases/phase.ts";
import { Recovering } from "./phases/recovering.ts";
import { RequestingTurn } from "./phases/requesting_turn.ts";
import { Rewinding } from "./phases/rewinding.ts";
import { Running } from "./phases/running.ts";
import { Stopped } from "./phases/stopped.ts";
import { Stopping } from "./phases/stopping.ts";
import { OwnJournal } from "./own_journal.ts";
import type { Recovery } from "./recovery.ts";
import type { Settled } from "../util/settled.ts";
import { mustPause } from "./turn_limit.ts";
import { runInTurn } from "./run_queue.ts";
import type { RecoveredState, RecoveryWatch, Strategy } from "./strategy.ts";

/** How an actor was recovered. */
export type RecoveryFigures = Omit<Recovery<unknown>, "state">;

/** What a loop is made of. */
export interface LoopParts<State, Message, Reply> {
  readonly context: LoopContext<State, Message, Reply>;
  readonly strategy: Strategy<State, Message, Reply>;
  readonly store: RunStore;
  /** Waits until the actor may recover. */
  readonly requestTurn: () => Promise<EndTurn>;
  /** Who watches the first recovery. */
  readonly watch: RecoveryWatch;
}

/** The loop of an actor. */
export class ActorLoop<State, Message, Reply> implements Loop<State, Message, Reply> {
  readonly context: LoopContext<State, Message, Reply>;
  readonly strategy: Strategy<State, Message, Reply>;
  readonly mailbox: Mailbox<Message, Reply> = new Mailbox();
  /** What has been begun and not released, in order. */
  readonly inFlight: Fifo<InFlightTask<Message, Reply>> = new Fifo();
  /** The message whose handler decides, before it is begun. */
  deciding: Letter<Message, Reply> | undefined;
  /** What is being released, and takes its time. */
  releasing: InFlightTask<Message, Reply> | undefined;
  /** The run that has failed, until the actor has gone back before it. */
  failedRun: FailedRun | undefined;
  /** How often in a row a run has failed. */
  failures = 0;
  /** Whether it stops when it has handled what it accepted. */
  isStopRequested = false;
  /** Why it has stopped by itself, if it has. */
  failure: unknown;
  /** Resolves with how the actor was recovered; rejects if it could not be. */
  readonly recovered: Promise<RecoveryFigures>;
  /** Resolves when nothing of the actor is written any more: a successor may begin. */
  readonly hasLeft: Promise<void>;

  readonly #parts: LoopParts<State, Message, Reply>;
  readonly #writer: JournalWriter<Message, Reply>;
  readonly #run = () => this.context.outsideCalls(this.#dispatchAll);
  readonly #goOn = () => this.dispatch(this.#mailArrived);
  readonly #events = new Fifo<(phase: Phase<State, Message, Reply>) => void>();
  #isScheduled = false;
  #isMailAnnounced = false;
  #hasRecovered = false;
  #phase: Phase<State, Message, Reply>;
  #resolveRecovered!: (recovery: RecoveryFigures) => void;
  #rejectRecovered!: (error: unknown) => void;
  #resolveLeft!: () => void;

  /** @param parts What it is made of. */
  constructor(parts: LoopParts<State, Message, Reply>) {
    this.#parts = parts;
    this.context = parts.context;
    this.strategy = parts.strategy;
    this.recovered = new Promise((resolve, reject) => {
      this.#resolveRecovered = resolve;
      this.#rejectRecovered = reject;
    });
    // A caller that wants to know awaits it; nobody has to.
    this.recovered.catch(() => {});
    this.hasLeft = new Promise((resolve) => {
      this.#resolveLeft = resolve;
    });
    this.#writer = new JournalWriter(this.context.actorId, parts.store, {
      durable: (run) => this.dispatch((phase) => phase.runDurable(run)),
      failed: (run, error) => this.dispatch((phase) => phase.runFailed(run, error)),
    });
    this.#phase = new RequestingTurn(this);
  }

  /** The phase that holds. */
  get phase(): Phase<State, Message, Reply> {
    return this.#phase;
  }

  /** How many messages have been accepted and not been answered. */
  get pending(): number {
    return this.mailbox.length + this.inFlight.length + (this.deciding ? 1 : 0) +
      (this.releasing ? 1 : 0) + this.context.afterwards;
  }

  /** Whether nothing waits and nothing is in flight. */
  get isDrained(): boolean {
    return this.mailbox.length === 0 && this.inFlight.length === 0 && !this.deciding &&
      !this.releasing;
  }

  /** Begins. */
  start(): void {
    this.dispatch((phase) => phase.enter());
  }

  /** Puts a task into the mailbox. */
  post(task: Task<Message, Reply>): void {
    this.mailbox.push(task);
    // One event is enough for all that arrive before it is handled.
    if (this.#isMailAnnounced) return;
    this.dispatch(this.#mailArrived);
    this.#isMailAnnounced = true;
  }

  /** Handles an event, after those that came before, and not before the caller has returned. */
  dispatch(event: (phase: Phase<State, Message, Reply>) => void): void {
    this.#events.push(event);
    if (this.#isScheduled) return;
    // Each may throw if the caller is at the end of its stack: then the next event schedules both.
    runInTurn(this.#run);
    this.#isScheduled = true;
  }

  readonly #dispatchAll = (): void => {
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      try {
        next(this.#phase);
      } catch (defect) {
        // Not the user's code, which is called with care: a defect of ours must not hang the actor.
        this.toStopped(defect);
      }
    }
    this.#isScheduled = false;
  };

  readonly #mailArrived = (phase: Phase<State, Message, Reply>): void => {
    this.#isMailAnnounced = false;
    phase.mailArrived();
  };

  /**
   * Begins what is in the mailbox and releases what is durable, as far as that goes without waiting.
   * For the phases in which the actor works.
   */
  work(): void {
    const phase = this.#phase;
    for (;;) {
      this.releaseReady();
      if (this.#phase !== phase || this.deciding) return;
      if (this.inFlight.first?.status === "failed" && this.failedRun) {
        return this.toRewinding({ type: "append" });
      }
      if (this.mailbox.length > 0 && mustPause(this.#goOn)) return;
      const task = this.mailbox.take();
      if (!task) return;
      this.#begin(task);
      if (this.#phase !== phase) return;
    }
  }

  /** Releases what is durable and has nothing before it, as far as that goes without waiting. */
  releaseReady(): void {
    const phase = this.#phase;
    while (!this.releasing && this.inFlight.first?.status === "durable") {
      const task = this.inFlight.shift();
      if (task) this.#release(task);
      if (this.#phase !== phase) return;
    }
  }

  /** A handler has decided: begins its message. */
  begin(letter: Letter<Message, Reply>, decision: Settled<unknown> | undefined): void {
    const task = this.strategy.begin(letter, decision);
    this.#submit(task);
    if (task.refusal && task.refusal.directive !== "resume") {
      this.toRewinding({ type: "supervision", refusal: task.refusal, waits: true });
    }
  }

  /** A message has been handled: releases it. */
  finishRelease(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown> | undefined,
  ): void {
    const refusal = this.strategy.release(task, letter, outcome);
    if (!isPromise(refusal)) return this.#afterRelease(task, refusal);
    this.releasing = task;
    refusal.then(
      (refusal) => this.dispatch((phase) => phase.released(refusal)),
      (error) => this.dispatch((phase) => phase.abandoned(error)),
    );
  }

  /** See {@linkcode Loop.requestTurn}. */
  requestTurn(): void {
    this.#parts.requestTurn().then(
      (endTurn) => this.dispatch((phase) => phase.turnGranted(endTurn)),
      (error) => this.dispatch((phase) => phase.abandoned(error)),
    );
  }

  /** Recovers the state; the phase hears of the end. */
  recover(to: number | undefined, watch: RecoveryWatch = {}): void {
    const { strategy, context } = this;
    const recover = async () => {
      // What is still being written belongs to what is recovered.
      await this.#writer.idle;
      return await strategy.recover(to, watch);
    };
    const { events, actorId, options } = context;
    events.recovered(actorId, () => retry(recover, options.retry, watch.signal))
      .then(
        (recovered) => this.dispatch((phase) => phase.recovered(recovered)),
        (error) => this.dispatch((phase) => phase.recoveryFailed(error)),
      );
  }

  /** Takes over a state that was recovered to the end of the journal. */
  takeOver({ recovery, journal, replayedBytes, refusals }: RecoveredState<State>): void {
    const { context } = this;
    context.state = recovery.state;
    context.next = recovery.sequenceNumber + 1;
    context.released = recovery.sequenceNumber;
    context.journal = new OwnJournal(journal);
    this.failedRun = undefined;
    this.#writer.reset(context.next, context.journal);
    for (const { error } of recovery.unreadableSnapshots) {
      context.report({ type: "snapshot-unreadable", error });
    }
    for (const error of refusals) context.report({ type: "message", error });
    context.saver.recoveredFrom(recovery.snapshot?.sequenceNumber ?? -1, context.journal);
    context.policy.reset(recovery.replayed, replayedBytes);
    if (context.policy.isDue()) this.requestSnapshot();
    if (this.#hasRecovered) return;
    this.#hasRecovered = true;
    const { state: _, ...figures } = recovery;
    this.#resolveRecovered(figures);
  }

  /** Asks for a snapshot, as the policy wants it. */
  requestSnapshot(): void {
    this.post({
      type: "snapshot",
      isAutomatic: true,
      resolve: () => {},
      // What goes wrong has been reported, or the actor has stopped, which has been, too.
      reject: () => {},
    });
  }

  /** See {@linkcode Loop.step}. */
  step(step: unknown, done: Promise<unknown>): void {
    const phase = this.#phase;
    const over = () => this.dispatch((current) => current === phase && phase.stepDone(step));
    done.then(over, (error) => this.dispatch((current) => current.abandoned(error)));
  }

  /** Stops the actor when it has handled what it accepted. */
  requestStop(): void {
    if (this.isStopRequested) return;
    this.isStopRequested = true;
    this.dispatch((phase) => phase.stopRequested());
  }

  /** Stops the actor at once: what it has not answered is rejected. */
  abandon(error: unknown): void {
    this.dispatch((phase) => phase.abandoned(error));
  }

  /** See {@linkcode Loop.left}. */
  left(failure: unknown): void {
    this.failure = failure;
    // An error costs as much as a short recovery, and most actors leave after one.
    if (!this.#hasRecovered) {
      const { context } = this;
      this.#rejectRecovered(failure ?? context.endedError(`recover ${context.name}`, undefined));
    }
    this.#resolveLeft();
  }

  /** See {@linkcode Loop.appendSingly}. */
  appendSingly(): void {
    this.#writer.appendSingly();
  }

  /** See {@linkcode Loop.toRecovering}. */
  toRecovering(endTurn: EndTurn): void {
    this.#become(new Recovering(this, endTurn, this.#parts.watch));
  }

  /** See {@linkcode Loop.toWork}. */
  toWork(): void {
    this.#become(this.isStopRequested ? new Stopping(this) : new Running(this));
  }

  /** See {@linkcode Loop.toRewinding}. */
  toRewinding(reason: RewindReason): void {
    this.#become(new Rewinding(this, reason));
  }

  /** See {@linkcode Loop.toStopped}. */
  toStopped(failure: unknown): void {
    this.#become(new Stopped(this, failure));
  }

  #become(phase: Phase<State, Message, Reply>): void {
    if (this.#phase.name === "stopped") return;
    this.#phase = phase;
    phase.enter();
  }

  #begin(task: Task<Message, Reply>): void {
    if (!(task instanceof Letter)) return this.#beginSnapshot(task);
    if (this.strategy.decidesAtBegin) this.context.begin(task, () => this.#beginMessage(task));
    else this.#beginMessage(task);
  }

  #beginMessage(task: Letter<Message, Reply>): void {
    const decision = this.strategy.decide(task);
    if (!isPromise(decision)) return this.begin(task, decision);
    this.deciding = task;
    void decision.then((decision) => this.dispatch((phase) => phase.decided(task, decision)));
  }

  #beginSnapshot(request: SnapshotRequest): void {
    const { policy, saver, next } = this.context;
    const isNeeded = !request.isAutomatic || (policy.hasChanges && !policy.isSaving);
    if (next === 0 || !isNeeded) return request.resolve();
    const task = inFlightTask<Message, Reply>(request, next - 1);
    try {
      task.capture = this.strategy.captureBegun();
      if (task.capture) policy.taken();
    } catch (error) {
      if (request.isAutomatic) saver.failed(error, next - 1);
      return request.reject(error);
    }
    this.#submit(task);
  }

  #submit(task: InFlightTask<Message, Reply>): void {
    this.inFlight.push(task);
    this.context.next += task.entries?.count ?? 0;
    // Decided on a state that is lost: it will be begun anew.
    if (this.failedRun) task.status = "failed";
    else if (task.entries) this.#writer.push(task);
  }

  #release(task: InFlightTask<Message, Reply>): void {
    if (task.entries) this.context.released = task.last;
    const letter = task.task;
    if (!(letter instanceof Letter)) return this.#releaseSnapshot(task, letter);
    const outcome = this.strategy.handle(task, letter);
    if (!isPromise(outcome)) return this.finishRelease(task, letter, outcome);
    this.releasing = task;
    void outcome.then((outcome) => this.dispatch((phase) => phase.handled(task, letter, outcome)));
  }

  #releaseSnapshot(task: InFlightTask<Message, Reply>, request: SnapshotRequest): void {
    const { policy, saver, released } = this.context;
    let { capture } = task;
    try {
      if (!capture) {
        capture = this.strategy.captureReleased();
        policy.taken();
      }
    } catch (error) {
      if (request.isAutomatic) saver.failed(error, released);
      return request.reject(error);
    }
    saver.save(capture.state, capture.sequenceNumber).then(
      () => request.resolve(),
      (error) => request.reject(error),
    );
  }

  #afterRelease(task: InFlightTask<Message, Reply>, refusal: Refusal | undefined): void {
    // What was thrown when the message was begun is dealt with already: that is why it goes back.
    if (!refusal || refusal === task.refusal || refusal.directive === "resume") return;
    this.toRewinding({ type: "supervision", refusal, waits: false });
  }
}
