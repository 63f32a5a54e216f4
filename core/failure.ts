/**
 * Errors of the storage, as they are told to whoever called.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";

/**
 * An error of ours for whatever a storage threw.
 *
 * @param error What it threw.
 * @returns The same, or one with the code `STORAGE_FAILED`.
 */
export function asPersistenceError(error: unknown): PersistenceError {
  if (error instanceof PersistenceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new PersistenceError("STORAGE_FAILED", `the storage failed: ${reason}`, { cause: error });
}

/**
 * The error of an operation on an actor that failed in the storage.
 *
 * @param operation What was being done: `append to`. The actor completes the sentence.
 * @param actorId The actor.
 * @param error What the storage threw.
 * @returns An error with the same code; the same one where it speaks of the actor already.
 */
export function failureOf(operation: string, actorId: string, error: unknown): PersistenceError {
  const failure = asPersistenceError(error);
  if (failure.actorId === actorId) return failure;
  return new PersistenceError(
    failure.code,
    `Cannot ${operation} actor "${actorId}": ${failure.message}`,
    { cause: failure, actorId },
  );
}
