/**
 * Retries operations that failed for a transient reason, with exponential backoff and equal jitter:
 * half of each delay is fixed, so that the storage always gets a break, and half is random, so that
 * operations that failed together are not retried together.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @module
 */

import { sleep } from "../util/promises.ts";
import type { OptionNames } from "../util/option_names.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import { ArgumentRangeError, ArgumentTypeError, PersistenceError } from "./persistence_error.ts";
import { MAX_TIMER_MS } from "../util/deadlines.ts";

/** How often and after what delays an operation that failed is retried. */
export interface RetryOptions {
  /**
   * The maximum number of retries: an integer of at least 0.
   *
   * @default {3}
   */
  maxRetries?: number;
  /**
   * The delay before the first retry, in milliseconds: an integer from 0 to 2^31 - 1.
   *
   * @default {100}
   */
  initialDelayMs?: number;
  /**
   * The factor by which the delay grows with each retry: a finite number of at least 1.
   *
   * @default {2}
   */
  factor?: number;
  /**
   * The longest delay, in milliseconds: an integer from 0 to 2^31 - 1.
   *
   * @default {5_000}
   */
  maxDelayMs?: number;
}

const RETRY_OPTION_NAMES: OptionNames<RetryOptions> = {
  maxRetries: true,
  initialDelayMs: true,
  factor: true,
  maxDelayMs: true,
};

/** {@linkcode RetryOptions} with all defaults filled in. */
export type RetryPolicy = Readonly<Required<RetryOptions>>;

/**
 * Checks retry options and fills in their defaults.
 *
 * @param options The options that the caller passed.
 * @param operation The caller's operation, for the error message.
 * @returns The options with all defaults filled in.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid.
 */
export function checkRetry(options: RetryOptions, operation: string): RetryPolicy {
  checkOptions(options, operation, RETRY_OPTION_NAMES, "retry");
  const { maxRetries = 3, initialDelayMs = 100, factor = 2, maxDelayMs = 5_000 } = options;
  checkInteger(maxRetries, "retry.maxRetries", 0, Number.MAX_SAFE_INTEGER, operation);
  checkInteger(initialDelayMs, "retry.initialDelayMs", 0, MAX_TIMER_MS, operation);
  checkInteger(maxDelayMs, "retry.maxDelayMs", 0, MAX_TIMER_MS, operation);
  if (typeof factor !== "number") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: retry.factor must be a number, not ${typeof factor}`,
    );
  }
  if (!(factor >= 1 && factor < Infinity)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: retry.factor must be at least 1, not ${factor}`,
    );
  }
  return { maxRetries, initialDelayMs, factor, maxDelayMs };
}

/**
 * Whether an error is transient: the operation had no effect and may succeed later, so a retry
 * cannot apply it twice. `STORAGE_FULL` is not transient, because the storage stays full. Neither
 * is `REOPEN_REQUIRED`, because the outcome is unknown.
 *
 * @param error The error that was thrown.
 * @returns Whether a retry makes sense.
 */
export function isTransient(error: unknown): boolean {
  return error instanceof PersistenceError &&
    (error.code === "STORAGE_FAILED" || error.code === "BACKPRESSURE");
}

/**
 * The delay before a retry.
 *
 * @param policy The retry options, all of them.
 * @param retry The number of the retry: 1 for the first one.
 * @param random A number from 0 to 1 that chooses a point in the second half of the delay.
 * @returns The delay in milliseconds.
 */
export function retryDelayMs(
  { initialDelayMs, factor, maxDelayMs }: RetryPolicy,
  retry: number,
  random: number = Math.random(),
): number {
  // No delay stays none, however large the factor has become.
  const delayMs = initialDelayMs === 0
    ? 0
    : Math.min(maxDelayMs, initialDelayMs * factor ** (retry - 1));
  return delayMs / 2 + (delayMs / 2) * random;
}

/**
 * Calls a function until it succeeds, fails with an error that is not transient, or has been
 * retried often enough. Only for operations that may run twice, such as reading.
 *
 * @typeParam Result The result of the function.
 * @param attempt The function.
 * @param policy The retry options, all of them.
 * @param signal Stops the retries: it ends a delay early, and no further call is made.
 * @returns The result of the first successful call.
 * @throws The error of the last call.
 */
export async function retry<Result>(
  attempt: () => Promise<Result>,
  policy: RetryPolicy,
  signal?: AbortSignal,
): Promise<Result> {
  for (let retries = 0;; retries++) {
    try {
      return await attempt();
    } catch (error) {
      if (retries >= policy.maxRetries || !isTransient(error) || signal?.aborted) throw error;
      await sleep(retryDelayMs(policy, retries + 1), signal);
      if (signal?.aborted) throw error;
    }
  }
}
