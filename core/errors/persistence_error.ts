import type { StandardSchemaIssue } from "../ports/standard_schema.ts";

/**
 * The code of an error. The list is closed:
 *
 * | code | meaning | what helps |
 * |---|---|---|
 * | `INVALID_ARGUMENT` | an argument has the wrong type or is out of range | fix the call |
 * | `UNENCODABLE` | the codec cannot encode a message or state | store plain data |
 * | `VALIDATION_FAILED` | a message or state does not match its schema | see `issues` |
 * | `UNKNOWN_SCHEMA` | its type or version is not in the schema | declare it, or set `onUnknown` |
 * | `UPCAST_FAILED` | an upcaster threw or is asynchronous | see `cause`, correct the upcaster |
 * | `TOO_LARGE` | a message, batch or state exceeds its size limit | split it, or raise the limit |
 * | `CONFLICT` | the expected sequence number is not the next one | re-read, decide again |
 * | `BACKPRESSURE` | too many messages or bytes are pending | wait, then retry |
 * | `CLOSED` | the object was closed before the call | open a new one |
 * | `READ_ONLY` | the storage was opened read-only | open it for writing |
 * | `ERASED` | a message, state or effect was made unreadable, by dropping its key | nothing: that was wanted |
 * | `CORRUPT` | stored bytes are damaged or missing | restore from a backup |
 * | `TRUNCATED` | entries were truncated while they were being read | start again |
 * | `UNSUPPORTED_FORMAT` | the data was written by a newer version | upgrade this package |
 * | `CODEC_MISMATCH` | the data was written with another codec | open it with that codec |
 * | `OPTIONS_MISMATCH` | the path is already open with other options | use the same options |
 * | `PERMISSION_DENIED` | the runtime or file system denies access | grant the named permission |
 * | `OPEN_FAILED` | the storage cannot be opened | see `cause` |
 * | `STORAGE_FULL` | the storage has reached its size limit, or the disk is full | truncate, raise the limit, or make room |
 * | `STORAGE_FAILED` | a read or commit failed, and nothing was applied | see `cause`, then retry |
 * | `REOPEN_REQUIRED` | a commit failed and its outcome is unknown, or the files of the storage were removed or replaced | close and open again |
 * | `OUTCOME_UNKNOWN` | an actor ended before it knew what became of a message: it may still take effect | look at the state, then ask again |
 * | `RECOVERY_FAILED` | the state of an actor cannot be recovered | see message and `cause` |
 * | `TIMEOUT` | a reply did not arrive in time; the message may still take effect | look at the state, or allow more time |
 * | `DEADLOCK` | a handler awaits its own actor | do not await it in the handler |
 * | `SOURCING_MISMATCH` | a kind is journaled by events or by commands, not both | use another kind |
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
  | "ERASED"
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
  | "OUTCOME_UNKNOWN"
  | "RECOVERY_FAILED"
  | "TIMEOUT"
  | "DEADLOCK"
  | "SOURCING_MISMATCH";

/** Details of a {@linkcode PersistenceError}, besides its code and message. */
export interface PersistenceErrorDetails {
  /**
   * The error that caused this one.
   *
   * @default {undefined}
   */
  cause?: unknown;
  /**
   * The id of the actor that the operation concerned.
   *
   * @default {undefined}
   */
  actorId?: string;
  /**
   * The kind of that actor.
   *
   * @default {undefined} The actor has no kind.
   */
  kind?: string;
  /**
   * The sequence number at which the operation failed, or the one that was expected.
   *
   * @default {undefined}
   */
  sequenceNumber?: number;
  /**
   * With `CONFLICT`: the sequence number that the next append would have got.
   *
   * @default {undefined}
   */
  actualSequenceNumber?: number;
  /**
   * With `VALIDATION_FAILED`: what the validator has found.
   *
   * @default {undefined}
   */
  issues?: readonly StandardSchemaIssue[];
}

/**
 * The error of an operation that failed for a reason other than an invalid argument. Branch on
 * {@linkcode PersistenceError.code}, never on the message.
 *
 * Invalid arguments are reported as {@linkcode ArgumentTypeError} and
 * {@linkcode ArgumentRangeError} instead, which also have a `code`.
 *
 * @example Handling a conflict
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
  /** The code of the error. */
  readonly code: PersistenceErrorCode;
  /** The id of the actor that the operation concerned, if it concerned one. */
  readonly actorId: string | undefined;
  /** The kind of that actor, if it has one. */
  readonly kind: string | undefined;
  /** The sequence number at which the operation failed, or the one that was expected. */
  readonly sequenceNumber: number | undefined;
  /** With `CONFLICT`: the sequence number that the next append would have got. */
  readonly actualSequenceNumber: number | undefined;
  /** With `VALIDATION_FAILED`: what the validator has found, unless it has thrown. */
  readonly issues: readonly StandardSchemaIssue[] | undefined;

  /**
   * Creates an error.
   *
   * @param code The code of the error.
   * @param message One sentence without a final period that names the operation and its subject.
   * @param details The cause, and the actor and sequence numbers concerned.
   */
  constructor(code: PersistenceErrorCode, message: string, details: PersistenceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "PersistenceError";
    this.code = code;
    this.actorId = details.actorId;
    this.kind = details.kind;
    this.sequenceNumber = details.sequenceNumber;
    this.actualSequenceNumber = details.actualSequenceNumber;
    this.issues = details.issues;
  }
}

/**
 * The error of an argument that has the wrong type, which is a mistake in the calling code.
 *
 * @example The code of the error
 * ```ts
 * import { ArgumentTypeError } from "@cajun/persistence";
 *
 * console.log(new ArgumentTypeError("Cannot append: ...").code); // "INVALID_ARGUMENT"
 * ```
 */
export class ArgumentTypeError extends TypeError {
  /** Always `"INVALID_ARGUMENT"`. */
  readonly code = "INVALID_ARGUMENT" as const;

  /**
   * Creates an error.
   *
   * @param message One sentence without a final period that names the argument and its value.
   */
  constructor(message: string) {
    super(message);
    this.name = "ArgumentTypeError";
  }
}

/**
 * The error of an argument that has the right type but is out of range, which is a mistake in the
 * calling code.
 *
 * @example The code of the error
 * ```ts
 * import { ArgumentRangeError } from "@cajun/persistence";
 *
 * console.log(new ArgumentRangeError("Cannot append: ...").code); // "INVALID_ARGUMENT"
 * ```
 */
export class ArgumentRangeError extends RangeError {
  /** Always `"INVALID_ARGUMENT"`. */
  readonly code = "INVALID_ARGUMENT" as const;

  /**
   * Creates an error.
   *
   * @param message One sentence without a final period that names the argument and its value.
   */
  constructor(message: string) {
    super(message);
    this.name = "ArgumentRangeError";
  }
}
