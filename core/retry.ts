/**
 * Trying again what failed for a reason that may pass: with exponential back-off, and with full
 * jitter, so that many that failed together do not come back together.
 *
 * Jitter: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Half of each
 * delay is fixed here ("equal jitter"), so that the storage is left alone for a while in any case.
 *
 * @module
 */

import { checkInteger, checkOptions } from "./arguments.ts";
import { ArgumentRangeError, ArgumentTypeError, PersistenceError } from "./errors.ts";

const MAX_DELAY_MS = 2 ** 31 - 1;

/** How often and when something that failed is tried again. */
export interface RetryOptions {
  /** How often at the most: an integer of at least 0. Default: 3. */
  maxRetries?: number;
  /** The delay before the first retry in milliseconds: an integer of at least 0. Default: 100. */
  initialDelayMs?: number;
  /** By how much each delay exceeds the one before: at least 1. Default: 2. */
  factor?: number;
  /** The longest delay in milliseconds: an integer of at least 0. Default: 5,000. */
  maxDelayMs?: number;
}

/** {@linkcode RetryOptions} with all defaults filled in. */
export type RetryPolicy = Readonly<Required<RetryOptions>>;

/**
 * Checks how something is to be retried.
 *
 * @param options What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where one is bad.
 */
export function checkRetry(options: RetryOptions, operation: string): RetryPolicy {
  checkOptions(options, operation);
  const { maxRetries = 3, initialDelayMs = 100, factor = 2, maxDelayMs = 5_000 } = options;
  checkInteger(maxRetries, "maxRetries", 0, Number.MAX_SAFE_INTEGER, operation);
  checkInteger(initialDelayMs, "initialDelayMs", 0, MAX_DELAY_MS, operation);
  checkInteger(maxDelayMs, "maxDelayMs", 0, MAX_DELAY_MS, operation);
  if (typeof factor !== "number") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: factor must be a number, not ${typeof factor}`,
    );
  }
  if (!(factor >= 1 && factor < Infinity)) {
    throw new ArgumentRangeError(`Cannot ${operation}: factor must be at least 1, not ${factor}`);
  }
  return { maxRetries, initialDelayMs, factor, maxDelayMs };
}

/**
 * Whether a failure left nothing behind and may pass by itself: then the same may be tried again
 * without the danger that it is done twice. A full storage is none of these, since it stays full,
 * nor is `REOPEN_REQUIRED`, after which nobody knows what was done.
 *
 * @param error What was thrown.
 * @returns Whether it makes sense to try again.
 */
export function isTransient(error: unknown): boolean {
  return error instanceof PersistenceError &&
    (error.code === "STORAGE_FAILED" || error.code === "BACKPRESSURE");
}

/**
 * How long to wait before a retry.
 *
 * @param policy How it is retried.
 * @param retry Which retry it is, beginning with 1.
 * @param random From 0 to 1: where in the second half of the delay.
 * @returns Milliseconds.
 */
export function retryDelayMs(
  { initialDelayMs, factor, maxDelayMs }: RetryPolicy,
  retry: number,
  random: number = Math.random(),
): number {
  const delayMs = Math.min(maxDelayMs, initialDelayMs * factor ** (retry - 1));
  return delayMs / 2 + (delayMs / 2) * random;
}

/**
 * Waits.
 *
 * @param delayMs How long, in milliseconds.
 * @param signal Ends it early, without an error: whoever waits looks at the signal anyway.
 */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, delayMs);
    signal?.addEventListener("abort", wake);
  });
}

/**
 * Tries something until it succeeds, fails for good, or has failed too often. Only for what may be
 * done twice, such as reading.
 *
 * @param attempt What is tried.
 * @param policy How it is retried.
 * @param signal Ends the waiting: the last error is thrown then.
 * @returns What the first successful attempt gave.
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
    }
  }
}
