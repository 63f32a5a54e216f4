/**
 * What goes wrong and no caller hears of.
 *
 * @module
 */

import { callAndForget } from "../util/settled.ts";

/** Something that went wrong and that no caller hears of otherwise. */
export interface ActorProblem {
  /**
   * What went wrong:
   *
   * - `"message"`: a message that was sent with `tell` failed; or one that was in the journal when
   *   the process was killed was handled now, and refused.
   * - `"delivery"`: an attempt to deliver an effect failed. It is made again later.
   * - `"dead-letter"`: an effect was given up after too many attempts.
   * - `"snapshot"`: a snapshot could not be saved.
   * - `"snapshot-unreadable"`: a snapshot could not be read, so an older one was used.
   * - `"retention"`: a snapshot was saved, but the journal could not be truncated.
   * - `"outbox"`: the outbox could not be read or written. It is tried again later.
   * - `"callback"`: a callback threw whose error nobody else gets, such as `when` or `onProgress`.
   * - `"stop"`: a stop ran out of time, or what it had to store could not be stored.
   * - `"stopped"`: the actor has stopped by itself.
   */
  readonly type:
    | "message"
    | "delivery"
    | "dead-letter"
    | "snapshot"
    | "snapshot-unreadable"
    | "retention"
    | "outbox"
    | "callback"
    | "stop"
    | "stopped";
  /** The kind of the actor. */
  readonly kind: string;
  /** The actor; `""` if all of a kind are concerned. */
  readonly actorId: string;
  /** Why. */
  readonly error: unknown;
  /** With `"delivery"` and `"dead-letter"`: the id of the effect. */
  readonly effectId?: string;
  /** With `"delivery"` and `"dead-letter"`: which attempt it was, beginning with 1. */
  readonly attempt?: number;
  /** With `"callback"`: which callback threw. */
  readonly callback?: string;
}

/** Reports a problem. It does not throw. */
export type Report = (problem: ActorProblem) => void;

/**
 * Makes a report of the callback of a user: what that throws, or its promise rejects with, goes to
 * the console, and nowhere else.
 *
 * @param onProblem The callback.
 * @returns A report that does not throw.
 */
export function safeReport(onProblem: (problem: ActorProblem) => unknown): Report {
  return (problem) =>
    callAndForget(() => onProblem(problem), (error) => writeFailure(problem, error));
}

/**
 * Writes a problem to the console.
 *
 * @param problem The problem.
 */
export function writeToConsole({ type, kind, actorId, error }: ActorProblem): void {
  console.error(`Actor "${actorId}" of kind "${kind}" (${type}):`, error);
}

function writeFailure(problem: ActorProblem, error: unknown): void {
  writeToConsole(problem);
  console.error("onProblem failed on that:", error);
}
