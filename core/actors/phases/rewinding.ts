/**
 * The actor goes back: what is in memory is not what is stored, since a run could not be appended,
 * or a handler or `apply` has thrown. It lets end what is under way, recovers the state, and begins
 * anew, in order, with the messages that were lost. The first of them is rejected instead if the
 * failure is its own or does not pass.
 *
 * The same makes it safe that another process writes the same actor: who comes second gets
 * `CONFLICT`, goes back to a state that includes what the other wrote, and decides again.
 *
 * @module
 */

import { PersistenceError } from "../../errors/persistence_error.ts";
import { isTransient, retryDelayMs } from "../../errors/retry.ts";
import { sleep } from "../../util/promises.ts";
import type { InFlightTask, Refusal } from "../in_flight.ts";
import { Letter, type Task } from "../mailbox.ts";
import type { Settled } from "../../util/settled.ts";
import type { RecoveredState } from "../strategy.ts";
import type { EndTurn, FailedRun, Loop, Phase, RewindReason } from "./phase.ts";

/**
 * So often in a row another writer may be faster before a message is rejected. Each time the other
 * one has made progress, so it is a matter of luck, not of time.
 */
const MAX_CONFLICTS = 20;
const CONFLICT_DELAY_MS = 5;

/** After these nothing more can be stored, or nothing that is stored can be relied on. */
const ENDING_CODES: ReadonlySet<string> = new Set([
  "CLOSED",
  "CORRUPT",
  "READ_ONLY",
  "REOPEN_REQUIRED",
  "UNSUPPORTED_FORMAT",
  "CODEC_MISMATCH",
]);

/** What a failed run means for the messages that were in flight. */
type Verdict = "again" | "one by one" | "reject first" | "reject writes" | "end";

/** On the way back. */
export class Rewinding<State, Message, Reply> implements Phase<State, Message, Reply> {
  readonly name = "rewinding";
  readonly #loop: Loop<State, Message, Reply>;
  #reason: RewindReason;
  /** Whether what was under way has ended. */
  #hasSettled = false;

  /**
   * @param loop The loop of the actor.
   * @param reason Why it goes back.
   */
  constructor(loop: Loop<State, Message, Reply>, reason: RewindReason) {
    this.#loop = loop;
    this.#reason = reason;
  }

  enter(): void {
    this.#goOn();
  }

  /** It has decided on a state that is lost, so it begins anew: first of all that waits. */
  decided(letter: Letter<Message, Reply>): void {
    this.#loop.deciding = undefined;
    this.#loop.mailbox.putBack([letter]);
    this.#goOn();
  }

  runDurable(run: readonly InFlightTask<Message, Reply>[]): void {
    for (const task of run) task.status = "durable";
    this.#loop.failures = 0;
    this.#goOn();
  }

  runFailed(run: readonly InFlightTask<Message, Reply>[], error: unknown): void {
    for (const task of run) task.status = "failed";
    this.#loop.failedRun = { error, tasks: run.length };
    this.#goOn();
  }

  handled(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: Settled<unknown>,
  ): void {
    this.#loop.releasing = undefined;
    this.#loop.finishRelease(task, letter, outcome);
    if (this.#loop.phase === this) this.#goOn();
  }

  released(refusal: Refusal | undefined): void {
    this.#loop.releasing = undefined;
    if (refusal && refusal.directive !== "resume") {
      // The failed run stays in flight, and is dealt with after that.
      this.#reason = { type: "supervision", refusal, waits: false };
    }
    this.#goOn();
  }

  recovered(recovered: RecoveredState<State>): void {
    const loop = this.#loop;
    if (this.#reason.type === "supervision" && !this.#reason.waits) {
      // What was begun after the message stays in flight: it is handled on this state.
      loop.context.state = recovered.recovery.state;
    } else {
      loop.takeOver(recovered);
    }
    loop.toWork();
  }

  recoveryFailed(error: unknown): void {
    this.#loop.toStopped(error);
  }

  /** The delay before the next attempt is over. */
  stepDone(step: unknown): void {
    if (isVerdict(step)) this.#carryOut(step);
  }

  abandoned(error: unknown): void {
    this.#loop.toStopped(error);
  }

  turnGranted(endTurn: EndTurn): void {
    endTurn();
  }

  /** It waits: nothing is begun before the state is one that can be relied on. */
  mailArrived(): void {}

  /** What was accepted is handled first. The loop remembers the request. */
  stopRequested(): void {}

  /** Goes back as soon as what is under way has ended. */
  #goOn(): void {
    const loop = this.#loop;
    if (this.#hasSettled || loop.deciding || loop.releasing) return;
    const reason = this.#reason;
    if (reason.type === "supervision" && !reason.waits) {
      this.#hasSettled = true;
      return this.#apply(reason.refusal, loop.context.released);
    }
    loop.releaseReady();
    if (loop.phase !== this || loop.releasing) return;
    if (this.#reason !== reason) return this.#goOn();
    const { failedRun } = loop;
    if (failedRun) return this.#judge(failedRun);
    // A run is still being appended.
    if (loop.inFlight.length > 0) return;
    this.#hasSettled = true;
    if (reason.type === "supervision") this.#apply(reason.refusal, undefined);
    else loop.recover(undefined);
  }

  /** Carries out what was decided about a handler that has thrown. */
  #apply({ directive, error }: Refusal, to: number | undefined): void {
    // Anything may have been thrown, but without a reason it would have been asked to stop.
    if (directive === "stop") this.#loop.toStopped(error ?? new Error(`${error} was thrown`));
    else this.#loop.recover(to);
  }

  /** Finds out what a failed run means, and waits for as long as that needs. */
  #judge(failedRun: FailedRun): void {
    this.#hasSettled = true;
    this.#reason = { type: "append" };
    const loop = this.#loop;
    const failures = ++loop.failures;
    const { verdict, delayMs } = judge(failedRun, failures, loop.context.options.retry);
    if (verdict === "one by one") loop.appendSingly();
    if (verdict !== "again") loop.failures = 0;
    // Even without a delay a retry is made in another turn of the event loop.
    loop.step(verdict, delayMs === undefined ? Promise.resolve() : sleep(delayMs));
  }

  #carryOut(verdict: Verdict): void {
    const loop = this.#loop;
    const error = loop.failedRun?.error;
    if (verdict === "end") return loop.toStopped(error);
    const tasks = loop.inFlight.takeAll();
    const again: Task<Message, Reply>[] = [];
    let hasRejected = false;
    for (const { task, entries } of tasks) {
      const isRejected = entries !== undefined && task instanceof Letter &&
        (verdict === "reject writes" || (verdict === "reject first" && !hasRejected));
      if (!isRejected) {
        again.push(task);
        continue;
      }
      hasRejected = true;
      task.reject(error);
    }
    loop.mailbox.putBack(again);
    loop.recover(undefined);
  }
}

function judge(
  { error, tasks }: FailedRun,
  failures: number,
  policy: Parameters<typeof retryDelayMs>[0] & { readonly maxRetries: number },
): { readonly verdict: Verdict; readonly delayMs?: number } {
  const code = error instanceof PersistenceError ? error.code : undefined;
  if (code === "CONFLICT") {
    if (failures > MAX_CONFLICTS) return { verdict: "reject first" };
    if (failures === 1) return { verdict: "again" };
    return { verdict: "again", delayMs: CONFLICT_DELAY_MS * failures * Math.random() };
  }
  if (isTransient(error) && failures <= policy.maxRetries) {
    return { verdict: "again", delayMs: retryDelayMs(policy, failures) };
  }
  if (isTransient(error) || code === "STORAGE_FULL") {
    return { verdict: "reject writes" };
  }
  if (code !== undefined && ENDING_CODES.has(code)) return { verdict: "end" };
  // It is about what was appended. Which of several tasks is at fault, they must show one by one.
  return { verdict: tasks === 1 ? "reject first" : "one by one" };
}

const VERDICTS: ReadonlySet<unknown> = new Set<Verdict>([
  "again",
  "one by one",
  "reject first",
  "reject writes",
  "end",
]);

function isVerdict(step: unknown): step is Verdict {
  return VERDICTS.has(step);
}
