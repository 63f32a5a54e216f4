/**
 * Turns errors of the storage into the errors that callers get.
 *
 * @module
 */

import { describeActor, detailsOf, type NamedActor } from "./actor_name.ts";
import { PersistenceError } from "./persistence_error.ts";
import { messageOf } from "../util/text.ts";

/**
 * Turns an error of the storage into a {@linkcode PersistenceError}.
 *
 * @param error The error that the storage threw.
 * @returns The same error if it is one already; otherwise one with the code `STORAGE_FAILED`, with
 *   that error as its cause.
 */
export function asPersistenceError(error: unknown): PersistenceError {
  if (error instanceof PersistenceError) return error;
  const reason = messageOf(error);
  return new PersistenceError("STORAGE_FAILED", `the storage failed: ${reason}`, { cause: error });
}

/**
 * The error of an operation on an actor that failed in the storage.
 *
 * @param operation The operation, which the actor completes to a phrase: `append to`.
 * @param actor The actor.
 * @param error The error that the storage threw.
 * @returns An error with the same code that names the actor; the same error if it already does.
 */
export function failureOf(operation: string, actor: NamedActor, error: unknown): PersistenceError {
  const failure = asPersistenceError(error);
  const details = detailsOf(actor);
  if (failure.actorId === details.actorId && failure.kind === details.kind) return failure;
  return new PersistenceError(
    failure.code,
    `Cannot ${operation} ${describeActor(actor)}: ${failure.message}`,
    { cause: failure, ...details },
  );
}
