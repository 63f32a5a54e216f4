/**
 * How effects are delivered.
 *
 * @module
 */

import { checkInteger, checkOptions, describeType } from "../errors/arguments.ts";
import { ArgumentTypeError } from "../errors/persistence_error.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";
import type { MaybePromise } from "../util/promises.ts";
import type { OptionNames } from "../util/option_names.ts";

const MAX_CONCURRENCY = 2 ** 20;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_ATTEMPTS = 20;
const DEFAULT_INITIAL_DELAY_MS = 100;
const DEFAULT_MAX_DELAY_MS = 60_000;

/** What `deliver` gets beside the effect. */
export interface EffectDelivery {
  /**
   * The same for each attempt, also after a restart, and different from that of every other effect
   * of the kind: the actor's id, the sequence number and the index, joined by slashes.
   */
  readonly id: string;
  /** The kind of the actor. */
  readonly kind: string;
  /** The actor that decided on the effect. */
  readonly actorId: string;
  /**
   * The sequence number of the entry that the effect was decided with, or of the last one before it;
   * -1 if there was none.
   */
  readonly sequenceNumber: number;
  /** Which attempt it is, beginning with 1. Attempts before a restart count. */
  readonly attempt: number;
  /** Aborts if the attempt takes too long; it then counts as failed. */
  readonly signal: AbortSignal;
}

/** How effects are delivered. */
export interface OutboxOptions<Effect> {
  /**
   * Delivers an effect. When it returns, or its promise resolves, the effect is removed from the
   * outbox. If it fails, it is called again later, after a delay that doubles each time. It may use
   * its own actor.
   *
   * @param effect The effect, decoded from what was stored: a copy for each attempt.
   * @param delivery Its id, and which attempt it is.
   */
  deliver(effect: Effect, delivery: EffectDelivery): MaybePromise<void>;
  /**
   * How many effects of an actor are delivered at once, from 1 to 2^20. With 1 an effect is delivered
   * when those before it have been, or were given up: the order of effects is that of decisions.
   *
   * @default {1}
   */
  concurrency?: number;
  /**
   * How long an attempt may take in milliseconds, from 1 to 2^31 - 1.
   *
   * @default {30_000}
   */
  timeoutMs?: number;
  /**
   * After how many failed attempts an effect is given up, so that it does not hold up those after it
   * for ever: an integer of at least 1, or Infinity. It then is a dead letter: it can be listed,
   * retried and dropped.
   *
   * @default {20}
   */
  maxAttempts?: number;
  /**
   * How long to wait before the second attempt, in milliseconds, from 1 to 2^31 - 1. It doubles with
   * each further one.
   *
   * @default {100}
   */
  initialDelayMs?: number;
  /**
   * The longest time between two attempts in milliseconds, from 1 to 2^31 - 1.
   *
   * @default {60_000}
   */
  maxDelayMs?: number;
}

/** The names of {@linkcode OutboxOptions}. */
const OUTBOX_OPTION_NAMES: OptionNames<OutboxOptions<unknown>> = {
  deliver: true,
  concurrency: true,
  timeoutMs: true,
  maxAttempts: true,
  initialDelayMs: true,
  maxDelayMs: true,
};

/**
 * Checks how effects are delivered.
 *
 * @param options What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is bad.
 */
export function checkOutbox<Effect>(
  options: OutboxOptions<Effect>,
  operation: string,
): Required<OutboxOptions<Effect>> {
  checkOptions(options, operation, OUTBOX_OPTION_NAMES, "outbox");
  if (typeof options.deliver !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: deliver must be a function, not ${describeType(options.deliver)}`,
    );
  }
  const check = (value: number, name: string, maximum: number) =>
    checkInteger(value, name, 1, maximum, operation);
  const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
  if (maxAttempts !== Infinity) check(maxAttempts, "maxAttempts", Number.MAX_SAFE_INTEGER);
  return {
    // Called on the options, which may be an object with a state of its own.
    deliver: (effect, delivery) => options.deliver(effect, delivery),
    concurrency: check(options.concurrency ?? 1, "concurrency", MAX_CONCURRENCY),
    timeoutMs: check(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, "timeoutMs", MAX_TIMER_MS),
    maxAttempts,
    initialDelayMs: check(
      options.initialDelayMs ?? DEFAULT_INITIAL_DELAY_MS,
      "initialDelayMs",
      MAX_TIMER_MS,
    ),
    maxDelayMs: check(options.maxDelayMs ?? DEFAULT_MAX_DELAY_MS, "maxDelayMs", MAX_TIMER_MS),
  };
}
