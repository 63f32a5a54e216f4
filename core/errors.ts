import type { StandardSchemaIssue } from "./standard_schema.ts";

/**
 * What went wrong, as a closed list:
 *
 * | code | meaning | what helps |
 * |---|---|---|
 * | `INVALID_ARGUMENT` | an argument has the wrong type or is out of range | fix the call |
 * | `UNENCODABLE` | the codec cannot encode a message or a state | store plain data |
 * | `VALIDATION_FAILED` | a message or state does not fit its schema | see `issues` |
 * | `UNKNOWN_SCHEMA` | its type or version is not in the schema | declare it, or `onUnknown` |
 * | `UPCAST_FAILED` | an upcaster has thrown | see `cause`, correct the upcaster |
 * | `TOO_LARGE` | a message, batch or state exceeds its size limit | split it, or raise the limit |
 * | `CONFLICT` | the expected sequence number is not the next one | re-read, decide again |
 * | `BACKPRESSURE` | too much is waiting to be committed | wait, then retry |
 * | `CLOSED` | the object was closed before the call | open a new one |
 * | `READ_ONLY` | the storage was opened read-only | open it for writing |
 * | `CORRUPT` | stored bytes are damaged or missing | restore from a backup |
 * | `TRUNCATED` | entries were truncated while they were being replayed | start the replay again |
 * | `UNSUPPORTED_FORMAT` | the data was written by a newer version | upgrade this package |
 * | `CODEC_MISMATCH` | the data was written with another codec | open it with that codec |
 * | `OPTIONS_MISMATCH` | the path is already open with other options | use the same options |
 * | `PERMISSION_DENIED` | the runtime or file system refuses access | grant the named permission |
 * | `OPEN_FAILED` | the storage cannot be opened | see `cause` |
 * | `STORAGE_FULL` | the size limit of the storage is reached | truncate, or raise the limit |
 * | `STORAGE_FAILED` | a read or a commit failed; nothing of it was applied | see `cause`, then retry |
 * | `REOPEN_REQUIRED` | a commit failed and its outcome is unknown | close and open again |
 * | `RECOVERY_FAILED` | what is stored does not give the state of an actor | see message and `cause` |
 * | `TIMEOUT` | an answer did not come in time | ask again, or allow more time |
 */
export type PersistenceErrorCode =
  | "INVALID_ARGUMENT"
  | "UNENCODABLE"
  | "VALIDATION_FAILED"
  | "UNKNOWN_SCHEMA"
  | "UPCAST_FAILED"
  | "TOO_LARGE"
  | "CONFLICT"
  | "BACKPRESSURE"
  | "CLOSED"
  | "READ_ONLY"
  | "CORRUPT"
  | "TRUNCATED"
  | "UNSUPPORTED_FORMAT"
  | "CODEC_MISMATCH"
  | "OPTIONS_MISMATCH"
  | "PERMISSION_DENIED"
  | "OPEN_FAILED"
  | "STORAGE_FULL"
  | "STORAGE_FAILED"
  | "REOPEN_REQUIRED"
  | "RECOVERY_FAILED"
  | "TIMEOUT";

/** Details that a {@linkcode PersistenceError} may carry beside its code and message. */
export interface PersistenceErrorDetails {
  /** The error that caused this one. */
  cause?: unknown;
  /** The actor that the failed operation was about. */
  actorId?: string;
  /** The sequence number at which the failure was found, or which was expected. */
  sequenceNumber?: number;
  /** With `CONFLICT`: the sequence number that the next append would really have got. */
  actualSequenceNumber?: number;
  /** With `VALIDATION_FAILED`: what the validator has found. */
  issues?: readonly StandardSchemaIssue[];
}

/**
 * An operation that failed for a reason that lies outside the caller's code. Branch on
 * {@linkcode PersistenceError.code}, never on the message.
 *
 * Wrong arguments are reported as {@linkcode ArgumentTypeError} and
 * {@linkcode ArgumentRangeError} instead, which carry the same `code` property.
 *
 * @example Telling a conflict from other failures
 * ```ts
 * import { PersistenceError } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createMessageJournal<string>();
 * try {
 *   await journal.append("account-1", "deposit", { expectedSequenceNumber: 5 });
 * } catch (error) {
 *   if (!(error instanceof PersistenceError) || error.code !== "CONFLICT") throw error;
 *   console.log(error.actualSequenceNumber); // 0
 * }
 * ```
 */
export class PersistenceError extends Error {
  /** What went wrong. */
  readonly code: PersistenceErrorCode;
  /** The actor that the failed operation was about, where there is one. */
  readonly actorId: string | undefined;
  /** The sequence number at which the failure was found, or which was expected. */
  readonly sequenceNumber: number | undefined;
  /** With `CONFLICT`: the sequence number that the next append would really have got. */
  readonly actualSequenceNumber: number | undefined;
  /** With `VALIDATION_FAILED`: what the validator has found, unless it has thrown. */
  readonly issues: readonly StandardSchemaIssue[] | undefined;

  /**
   * @param code What went wrong.
   * @param message One sentence without final period that names the operation and its subject.
   * @param details The cause, and the actor and sequence numbers concerned.
   */
  constructor(code: PersistenceErrorCode, message: string, details: PersistenceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "PersistenceError";
    this.code = code;
    this.actorId = details.actorId;
    this.sequenceNumber = details.sequenceNumber;
    this.actualSequenceNumber = details.actualSequenceNumber;
    this.issues = details.issues;
  }
}

/**
 * An argument has the wrong type: a mistake in the calling code.
 *
 * @example Its code
 * ```ts
 * import { ArgumentTypeError } from "@cajun/persistence";
 *
 * console.log(new ArgumentTypeError("Cannot append: ...").code); // "INVALID_ARGUMENT"
 * ```
 */
export class ArgumentTypeError extends TypeError {
  /** Always `"INVALID_ARGUMENT"`. */
  readonly code = "INVALID_ARGUMENT" as const;

  /** @param message One sentence without final period that names the argument and its value. */
  constructor(message: string) {
    super(message);
    this.name = "ArgumentTypeError";
  }
}

/**
 * An argument has the right type but lies outside what is allowed: a mistake in the calling code.
 *
 * @example Its code
 * ```ts
 * import { ArgumentRangeError } from "@cajun/persistence";
 *
 * console.log(new ArgumentRangeError("Cannot append: ...").code); // "INVALID_ARGUMENT"
 * ```
 */
export class ArgumentRangeError extends RangeError {
  /** Always `"INVALID_ARGUMENT"`. */
  readonly code = "INVALID_ARGUMENT" as const;

  /** @param message One sentence without final period that names the argument and its value. */
  constructor(message: string) {
    super(message);
    this.name = "ArgumentRangeError";
  }
}
