/**
 * How an actor works.
 *
 * @module
 */

import type { BackpressureStrategy } from "./admission.ts";
import { checkInteger, checkOptions, checkSignal } from "./arguments.ts";
import type { Behavior } from "./behavior.ts";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";
import type { MessageJournal } from "./journal.ts";
import { actorKey } from "./keys.ts";
import type { OutboxOptions } from "./outbox.ts";
import type { RecoveryProgress } from "./recovery.ts";
import type { RetentionOptions } from "./retention.ts";
import { checkRetry, type RetryOptions, type RetryPolicy } from "./retry.ts";
import type { SnapshotPolicyOptions } from "./snapshot_policy.ts";
import type { SnapshotStore } from "./snapshots.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;
const DEFAULT_MAX_MESSAGES = 10_000;
const DEFAULT_ASK_TIMEOUT_MS = 30_000;
/** As many times the limit may wait for room, as with appends to a journal. */
const WAITING_FACTOR = 10;

/**
 * What an actor does when a handler throws:
 *
 * - `"resume"` goes on with the next message, on the state as it was.
 * - `"restart"` recovers the state from the journal first, in case the handler has spoilt it.
 * - `"stop"` ends the actor; what waits is rejected with `CLOSED`.
 *
 * Whichever: what was persisted stays, and the asker gets the error.
 */
export type Directive = "resume" | "restart" | "stop";

/** What a supervisor is told about a failure. */
export interface HandlerFailure<Message> {
  /** The actor. */
  readonly actorId: string;
  /** The message whose handler threw. */
  readonly message: Message;
}

/** How much may wait in a mailbox. */
export interface MailboxOptions {
  /** How many messages may be accepted and not yet answered: at least 1. Default: 10,000. */
  maxMessages?: number;
  /**
   * What happens to a message beyond that: it waits for room, up to 10 times as many, or it is
   * rejected with `BACKPRESSURE`. Beyond that it is rejected anyway. Default: `"wait"`.
   */
  backpressure?: BackpressureStrategy;
}

/** Something that went wrong and that no caller is told otherwise. */
export interface ActorProblem {
  /**
   * What went wrong:
   *
   * - `"message"`: a message that was sent with `tell` failed; or one that was in the journal when
   *   the process ended was handled by recovery for the first time, and was refused.
   * - `"snapshot-unreadable"`: a snapshot could not be read, and an older one was used.
   * - `"snapshot"`: a snapshot could not be saved, or not be read back.
   * - `"retention"`: the journal could not be truncated.
   * - `"delivery"`: an attempt to deliver an effect failed. It will be tried again.
   * - `"stop"`: an actor with command sourcing could not store that it was stopped in order. Nothing
   *   is lost, but see {@linkcode CommandSourcing.handle}.
   * - `"stopped"`: the actor has stopped by itself.
   */
  readonly type:
    | "message"
    | "snapshot-unreadable"
    | "snapshot"
    | "retention"
    | "delivery"
    | "stop"
    | "stopped";
  /** The actor. */
  readonly actorId: string;
  /** What was thrown. */
  readonly error: unknown;
  /** With `"delivery"`: the id of the effect. */
  readonly effectId?: string;
  /** With `"delivery"`: which attempt it was. */
  readonly attempt?: number;
}

/** What all actors of a kind have in common. */
export interface ActorOptions<State, Message, Stored, Reply = void, Effect = never> {
  /** The journal: any provider's. It is not closed with the actor. */
  journal: MessageJournal<Stored>;
  /** Where states are saved. It is not closed with the actor. Default: nowhere. */
  snapshots?: SnapshotStore<State>;
  /** What the actor does with its messages. */
  behavior: Behavior<State, Message, Stored, Reply, Effect>;
  /** When the state is saved; `"manual"`: when `snapshot()` is called. */
  snapshotPolicy?: SnapshotPolicyOptions<State> | "manual";
  /** What is truncated behind snapshots. Default: nothing. */
  retention?: RetentionOptions;
  /** How often what failed for a reason that may pass is tried again, and when. */
  retry?: RetryOptions;
  /**
   * What happens when a handler throws, or a function that decides on it. Default: `"resume"` with
   * event sourcing, where a handler does not change the state; `"restart"` with command sourcing,
   * where it may have changed a part of it.
   */
  supervision?: Directive | ((error: unknown, failure: HandlerFailure<Message>) => Directive);
  /** How much may wait. */
  mailbox?: MailboxOptions;
  /**
   * How long `ask` waits for an answer if it does not state it itself, in milliseconds: an integer
   * from 1 to 2^31 - 1, or Infinity. Default: 30,000.
   */
  askTimeoutMs?: number;
  /** Who delivers effects. Needed where the behavior has any. */
  outbox?: OutboxOptions<Effect>;
  /**
   * Told what went wrong and no caller is told. It must not throw. Default: it is written to the
   * console.
   */
  onProblem?: (problem: ActorProblem) => void;
}

/** How an actor works. */
export interface StatefulActorOptions<State, Message, Stored, Reply = void, Effect = never>
  extends ActorOptions<State, Message, Stored, Reply, Effect> {
  /** The actor: a well-formed string of 1 to 512 bytes of UTF-8. */
  actorId: string;
  /** Ends the recovery: the actor fails with the signal's reason. */
  signal?: AbortSignal;
  /** Told how far the recovery has come. It must not throw. */
  onProgress?: (progress: RecoveryProgress) => void;
}

/** What has been checked, and has its defaults. */
export interface CheckedActorOptions<Message> {
  readonly retry: RetryPolicy;
  /** Throws what the user's function throws. */
  readonly supervise: (error: unknown, failure: HandlerFailure<Message>) => Directive;
  /** How many messages may be accepted and not answered. */
  readonly capacity: number;
  readonly askTimeoutMs: number;
  readonly onProblem: (problem: ActorProblem) => void;
}

/**
 * Checks how an actor is to work.
 *
 * @param options What the caller passed.
 * @returns What has defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where one is bad.
 */
export function checkActorOptions<State, Message, Stored, Reply, Effect>(
  options: StatefulActorOptions<State, Message, Stored, Reply, Effect>,
): CheckedActorOptions<Message> {
  checkOptions(options, "start actor");
  actorKey(options.actorId, "start actor");
  const operation = `start actor "${options.actorId}"`;
  checkMethod(options.journal, "journal", "append", operation);
  if (options.snapshots) checkMethod(options.snapshots, "snapshots", "saveSnapshot", operation);
  const { behavior, mailbox = {}, onProblem = writeToConsole } = options;
  if (behavior?.type !== "events" && behavior?.type !== "commands") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: behavior must be made by eventSourced or commandSourced`,
    );
  }
  checkSignal(options.signal, operation);
  checkOptions(mailbox, operation);
  checkMethod({ onProblem }, "options", "onProblem", operation);
  return {
    retry: checkRetry(options.retry ?? {}, operation),
    supervise: checkSupervision(
      options.supervision ?? (behavior.type === "events" ? "resume" : "restart"),
      operation,
    ),
    capacity: checkCapacity(mailbox, operation),
    askTimeoutMs: checkTimeout(options.askTimeoutMs ?? DEFAULT_ASK_TIMEOUT_MS, operation),
    onProblem,
  };
}

/**
 * Checks a time limit.
 *
 * @param timeoutMs What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The limit, in milliseconds.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where it is bad.
 */
export function checkTimeout(timeoutMs: number, operation: string): number {
  if (timeoutMs === Infinity) return timeoutMs;
  return checkInteger(timeoutMs, "timeoutMs", 1, MAX_TIMER_MS, operation);
}

function checkCapacity(mailbox: MailboxOptions, operation: string): number {
  const { maxMessages = DEFAULT_MAX_MESSAGES, backpressure = "wait" } = mailbox;
  checkInteger(maxMessages, "maxMessages", 1, 2 ** 31 - 1, operation);
  if (backpressure !== "wait" && backpressure !== "reject") {
    throw new ArgumentRangeError(
      `Cannot ${operation}: backpressure must be "wait" or "reject", not "${backpressure}"`,
    );
  }
  return backpressure === "reject" ? maxMessages : maxMessages * (1 + WAITING_FACTOR);
}

function checkSupervision<Message>(
  supervision: Directive | ((error: unknown, failure: HandlerFailure<Message>) => Directive),
  operation: string,
): (error: unknown, failure: HandlerFailure<Message>) => Directive {
  if (typeof supervision !== "function") {
    checkDirective(supervision, operation);
    return () => supervision;
  }
  return (error, failure) => checkDirective(supervision(error, failure), operation);
}

function checkDirective(directive: Directive, operation: string): Directive {
  if (["resume", "restart", "stop"].includes(directive)) return directive;
  throw new ArgumentRangeError(
    `Cannot ${operation}: supervision must be "resume", "restart" or "stop", not "${directive}"`,
  );
}

function checkMethod(value: object, name: string, method: string, operation: string): void {
  if (typeof value === "object" && value !== null) {
    if (typeof Reflect.get(value, method) === "function") return;
  }
  throw new ArgumentTypeError(`Cannot ${operation}: ${name} must have a function ${method}`);
}

function writeToConsole({ type, actorId, error }: ActorProblem): void {
  console.error(`Actor "${actorId}" (${type}):`, error);
}
