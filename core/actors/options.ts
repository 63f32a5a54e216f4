/**
 * How an actor works.
 *
 * @module
 */

import {
  checkActorId,
  checkInteger,
  checkOptions,
  checkSignal,
  describeType,
} from "../errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../errors/persistence_error.ts";
import { checkRetry, type RetryOptions, type RetryPolicy } from "../errors/retry.ts";
import type { ActorStoreProvider } from "../ports/actor_store.ts";
import type { Schema } from "../ports/schema.ts";
import {
  checkRetention,
  type RetentionOptions,
  type RetentionPolicy,
} from "../retention/retention_policy.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import { isUnwantedPromise } from "../util/promises.ts";
import type { Behavior } from "./behavior.ts";
import { checkOutbox, type OutboxOptions } from "./outbox_options.ts";
import type { RecoveryProgress } from "./recovery.ts";
import { type ActorProblem, type Report, safeReport, writeToConsole } from "./report.ts";
import type { SnapshotPolicyOptions } from "./snapshot_policy.ts";
import type { OptionNames } from "../util/option_names.ts";

const DEFAULT_MAX_MESSAGES = 100_000;
const DEFAULT_ASK_TIMEOUT_MS = 30_000;

/**
 * What an actor does when a handler throws:
 *
 * - `"resume"` goes on with the next message, on the state as it was.
 * - `"restart"` recovers the state from the journal first, in case the handler has spoilt it.
 * - `"stop"` ends the actor; what waits is rejected with `CLOSED`.
 *
 * In each case what was persisted stays, and the asker gets the error.
 */
export type SupervisionDirective = "resume" | "restart" | "stop";

/** What a supervisor gets about a failure. */
export interface HandlerFailure<Message> {
  /** The actor. */
  readonly actorId: string;
  /** The message whose handler threw. */
  readonly message: Message;
}

/** How much may wait in a mailbox. */
export interface MailboxOptions {
  /**
   * How many messages may be accepted and not yet answered: an integer from 1 to 2^31 - 1. Beyond
   * that they are rejected with `BACKPRESSURE`.
   *
   * @default {100_000}
   */
  maxMessages?: number;
}

const MAILBOX_OPTION_NAMES: OptionNames<MailboxOptions> = { maxMessages: true };

/** How an actor works, whichever it is. */
export interface ActorOptions<State, Message, Stored, Reply = void, Effect = never> {
  /** Where the actors are stored. It is not closed with them. */
  provider: ActorStoreProvider;
  /**
   * The kind of the actors, such as `"cart"`: a well-formed string of 1 to 128 bytes of UTF-8. Actors
   * of different kinds never share anything, whatever their ids. A kind is journaled by events or by
   * commands, for good.
   */
  kind: string;
  /** What they do with their messages: what `eventSourced` or `commandSourced` made. */
  behavior: Behavior<State, Message, Stored, Reply, Effect>;
  /**
   * What the journaled events or messages are, and how those of older code are read.
   *
   * @default {undefined} They are stored as they are.
   */
  messageSchema?: Schema<Stored>;
  /**
   * What the states are, and how those of older code are read.
   *
   * @default {undefined} They are stored as they are.
   */
  stateSchema?: Schema<State>;
  /**
   * How many snapshots are kept per actor: see {@linkcode SnapshotStoreOptions.keep}.
   *
   * @default {3}
   */
  keepSnapshots?: number;
  /**
   * When the state is saved; `"manual"`: only by `snapshot()`.
   *
   * @default {`{ everyMessages: 100, everyMs: 15_000 }`}
   */
  snapshotPolicy?: SnapshotPolicyOptions<State> | "manual";
  /**
   * What is truncated when a snapshot was saved.
   *
   * @default {`{ mode: "off" }`}
   */
  retention?: RetentionOptions;
  /**
   * How transient failures of the storage are retried.
   *
   * @default {`{ maxRetries: 3, initialDelayMs: 100, factor: 2, maxDelayMs: 5_000 }`}
   */
  retry?: RetryOptions;
  /**
   * What happens when a handler throws, or a function that decides on it. A function that throws, or
   * gives something else, stops the actor.
   *
   * @default {undefined} `"resume"` with event sourcing, where a handler does not change the state;
   *   `"restart"` with command sourcing, where it may have changed a part of it.
   */
  supervision?:
    | SupervisionDirective
    | ((error: unknown, failure: HandlerFailure<Message>) => SupervisionDirective);
  /**
   * How much may wait.
   *
   * @default {`{ maxMessages: 100_000 }`}
   */
  mailbox?: MailboxOptions;
  /**
   * How long `ask` waits for an answer if it does not state it itself, in milliseconds: an integer
   * from 1 to 2^31 - 1, or Infinity.
   *
   * @default {30_000}
   */
  askTimeoutMs?: number;
  /**
   * How effects are delivered. Needed if the behavior has any.
   *
   * @default {undefined} A message with effects is refused.
   */
  outbox?: OutboxOptions<Effect>;
  /**
   * Called with what went wrong and no caller hears of. What it throws goes to the console.
   *
   * @param problem What went wrong.
   * @default {undefined} Problems are written to the console.
   */
  onProblem?: (problem: ActorProblem) => void;
  /**
   * Finds mistakes in handlers, for tests and development; it is slow. A handler of an event-sourced
   * actor that changes the state is refused and named; answers are frozen copies, so that who changes
   * one gets an error at that place.
   *
   * @default {false}
   */
  debug?: boolean;
}

/** The names of {@linkcode ActorOptions}. */
export const ACTOR_OPTION_NAMES: OptionNames<ActorOptions<unknown, unknown, unknown>> = {
  provider: true,
  kind: true,
  behavior: true,
  messageSchema: true,
  stateSchema: true,
  keepSnapshots: true,
  snapshotPolicy: true,
  retention: true,
  retry: true,
  supervision: true,
  mailbox: true,
  askTimeoutMs: true,
  outbox: true,
  onProblem: true,
  debug: true,
};

/** How a single actor works. */
export interface StatefulActorOptions<State, Message, Stored, Reply = void, Effect = never>
  extends ActorOptions<State, Message, Stored, Reply, Effect> {
  /** The actor: a well-formed string of 1 to 512 bytes of UTF-8. */
  actorId: string;
  /**
   * Ends the recovery: the actor fails with the signal's reason.
   *
   * @default {undefined} It takes as long as it takes.
   */
  signal?: AbortSignal;
  /**
   * Called with how far the recovery has come. What it throws is reported to `onProblem`.
   *
   * @param progress How far it has come.
   * @default {undefined} Nothing is called.
   */
  onProgress?: (progress: RecoveryProgress) => void;
}

/** The names of {@linkcode StatefulActorOptions}. */
const STATEFUL_ACTOR_OPTION_NAMES: OptionNames<StatefulActorOptions<unknown, unknown, unknown>> = {
  ...ACTOR_OPTION_NAMES,
  actorId: true,
  signal: true,
  onProgress: true,
};

/** Options that have been checked, with their defaults. */
export interface CheckedActorOptions<Message> {
  readonly retry: RetryPolicy;
  readonly retention: RetentionPolicy;
  /** Throws what the user's function throws. */
  readonly supervise: (error: unknown, failure: HandlerFailure<Message>) => SupervisionDirective;
  /** How many messages may be accepted and not answered. */
  readonly capacity: number;
  readonly askTimeoutMs: number;
  readonly report: Report;
  readonly hasOutbox: boolean;
  readonly debug: boolean;
}

/**
 * Checks how actors are to work. Their names must have been checked.
 *
 * @param options What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns What has defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is bad.
 */
export function checkActorOptions<State, Message, Stored, Reply, Effect>(
  options: ActorOptions<State, Message, Stored, Reply, Effect>,
  operation: string,
): CheckedActorOptions<Message> {
  const { provider, behavior, mailbox = {}, onProblem = writeToConsole, debug = false } = options;
  if (typeof provider?.createActorStore !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: provider must be a PersistenceProvider, not ${describeType(provider)}`,
    );
  }
  if (behavior?.type !== "events" && behavior?.type !== "commands") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: behavior must be made by eventSourced or commandSourced`,
    );
  }
  checkOptions(mailbox, operation, MAILBOX_OPTION_NAMES, "mailbox");
  const { maxMessages = DEFAULT_MAX_MESSAGES } = mailbox;
  if (typeof onProblem !== "function") {
    throw new ArgumentTypeError(`Cannot ${operation}: onProblem must be a function`);
  }
  if (typeof debug !== "boolean") {
    throw new ArgumentTypeError(`Cannot ${operation}: debug must be a boolean`);
  }
  if (options.outbox !== undefined) checkOutbox(options.outbox, operation);
  return {
    retry: checkRetry(options.retry ?? {}, operation),
    retention: checkRetention(options.retention ?? {}, operation, "retention"),
    supervise: checkSupervision(
      options.supervision ?? (behavior.type === "events" ? "resume" : "restart"),
      operation,
    ),
    capacity: checkInteger(maxMessages, "maxMessages", 1, MAX_TIMER_MS, operation),
    askTimeoutMs: checkTimeout(options.askTimeoutMs ?? DEFAULT_ASK_TIMEOUT_MS, operation),
    report: safeReport(onProblem),
    hasOutbox: options.outbox !== undefined,
    debug,
  };
}

/**
 * Checks what concerns one actor alone.
 *
 * @param options What the caller passed.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is bad.
 */
export function checkSingleActor<State, Message, Stored, Reply, Effect>(
  options: StatefulActorOptions<State, Message, Stored, Reply, Effect>,
): void {
  checkOptions(options, "start actor", STATEFUL_ACTOR_OPTION_NAMES);
  checkActorId(options.actorId, "start actor");
  const operation = `start actor "${options.actorId}"`;
  checkSignal(options.signal, operation);
  if (options.onProgress !== undefined && typeof options.onProgress !== "function") {
    throw new ArgumentTypeError(`Cannot ${operation}: onProgress must be a function`);
  }
}

/**
 * Checks a time limit.
 *
 * @param timeoutMs What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The limit, in milliseconds.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is bad.
 */
export function checkTimeout(timeoutMs: number, operation: string): number {
  if (timeoutMs === Infinity) return timeoutMs;
  return checkInteger(timeoutMs, "timeoutMs", 1, MAX_TIMER_MS, operation);
}

function checkSupervision<Message>(
  supervision:
    | SupervisionDirective
    | ((error: unknown, failure: HandlerFailure<Message>) => SupervisionDirective),
  operation: string,
): (error: unknown, failure: HandlerFailure<Message>) => SupervisionDirective {
  if (typeof supervision !== "function") {
    checkDirective(supervision, operation);
    return () => supervision;
  }
  return (error, failure) => checkDirective(supervision(error, failure), "supervise");
}

function checkDirective(directive: SupervisionDirective, operation: string): SupervisionDirective {
  if (directive === "resume" || directive === "restart" || directive === "stop") return directive;
  const found = isUnwantedPromise(directive) ? "a promise" : JSON.stringify(directive);
  throw new ArgumentRangeError(
    `Cannot ${operation}: supervision must be "resume", "restart" or "stop", not ${found}`,
  );
}
