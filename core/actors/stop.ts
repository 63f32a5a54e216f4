/**
 * How actors are stopped: within a time, and not by a callback that the stop waits for.
 *
 * @module
 */

import { checkOptions } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { Clock } from "../ports/clock.ts";
import { STOP_OPTION_NAMES, type StopOptions } from "./actor_handle.ts";
import { checkTimeout } from "./options.ts";

/**
 * Checks how actors are to be stopped.
 *
 * @param options What the caller passed.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The time limit, in milliseconds.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if it is bad.
 */
export function checkStop(options: StopOptions, operation: string): number {
  checkOptions(options, operation, STOP_OPTION_NAMES);
  const { timeoutMs = Infinity } = options;
  return checkTimeout(timeoutMs, operation);
}

/**
 * Waits for a stop, for as long as it may take.
 *
 * @param stopped Resolves when all has ended.
 * @param timeoutMs How long it may take.
 * @param clock What wakes. The process waits for it.
 * @param abandon Called with the error of what has not ended in time.
 * @param operation What is being done, for that error's message.
 * @returns When all has ended, or the time is over.
 */
export async function stopWithin(
  stopped: Promise<void>,
  timeoutMs: number,
  clock: Clock,
  abandon: (error: PersistenceError) => void,
  operation: string,
): Promise<void> {
  if (timeoutMs === Infinity) return await stopped;
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(
      () => {
        abandon(
          new PersistenceError("TIMEOUT", `Cannot ${operation} within ${timeoutMs} ms`),
        );
        resolve();
      },
      timeoutMs,
      true,
    );
    void stopped.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
