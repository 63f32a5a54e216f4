import type { PersistenceErrorCode } from "../../../core/errors/persistence_error.ts";
import { MAX_BATCH } from "./case.ts";

/** What an append was rejected with. `"unknown"`: it never was, its process has died. */
export type AppendFailure = PersistenceErrorCode | "aborted" | "unknown";

/** One append that a simulation has called. */
export interface AppendCall {
  /** Its number: calls are counted from 0. */
  readonly id: number;
  readonly actorId: string;
  /** Which of all the providers that were opened it went through. */
  readonly instance: number;
  /** How many messages it has. */
  readonly count: number;
  readonly expected: number | undefined;
  /** Whether it was written to a stream, which decides by itself when it appends. */
  readonly isStreamed: boolean;
  /** The time of the call, by the clock on the wall. */
  readonly timeMs: number;
  /** The next sequence number of the actor at that time. */
  readonly nextAtCall: number;
  /** The step in which it was called. */
  readonly issuedAt: number;
  /**
   * Whether a call of the storage had failed just before, so that what waited for it had not heard of
   * that yet: then the append may be rejected for it.
   */
  readonly isIssuedInFailure: boolean;
  /** Whether its signal has aborted. */
  aborted: boolean;
  /** Whether one before it has failed, so that it must fail, too. */
  doomed: boolean;
  /** The number that its first message has in the storage. */
  committedAt: number | undefined;
  /** What its caller was told: the number of its first message, or why it was rejected. */
  outcome: number | AppendFailure | undefined;
}

/**
 * A message of an append: a number that tells which one it is.
 *
 * @param call The append.
 * @param index Its place among the messages of the append.
 * @returns The message.
 */
export function messageOf({ id }: Pick<AppendCall, "id">, index: number): number {
  return id * (MAX_BATCH + 1) + index;
}

/**
 * Which append a message belongs to.
 *
 * @param message The message.
 * @returns The number of the append.
 */
export function callNumberOf(message: number): number {
  return Math.floor(message / (MAX_BATCH + 1));
}
