/**
 * What errors say about what has become of a message.
 *
 * @module
 */

import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
} from "../../../core/errors/persistence_error.ts";
import { Trouble } from "./behaviors.ts";
import type { Fate } from "./ledger.ts";

const EXPECTED_CODES: ReadonlySet<string> = new Set([
  "STORAGE_FAILED",
  "CONFLICT",
  "CLOSED",
  "OUTCOME_UNKNOWN",
  "UNENCODABLE",
  "TIMEOUT",
  "RECOVERY_FAILED",
  "DEADLOCK",
]);

/** Whether an error may come in a history. */
export function isExpected(error: unknown): boolean {
  return error instanceof Trouble || error instanceof ArgumentTypeError ||
    error instanceof ArgumentRangeError ||
    (error instanceof PersistenceError && EXPECTED_CODES.has(error.code));
}

/**
 * What has become of a message that was rejected.
 *
 * @param error What it was rejected with.
 */
export function fateAfter(error: unknown): Fate {
  if (error instanceof Trouble) {
    if (error.where === "abort") return "unknown";
    // What was decided stands; only the answer is missing.
    return error.where === "reply" || error.where === "afterPersist" ? "there" : "not there";
  }
  if (!(error instanceof PersistenceError)) return "not there";
  if (error.code === "TIMEOUT") {
    return error.message.includes("may still take effect") ? "unknown" : "not there";
  }
  return error.code === "OUTCOME_UNKNOWN" ? "unknown" : "not there";
}
