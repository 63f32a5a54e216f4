/** The actors that are written under load. */
export const ACTORS: readonly string[] = ["single", "batch", "batched", "truncated", "saved"];

/** An actor, and up to where something of it is durable. */
export interface Acknowledgement {
  readonly actorId: string;
  /** The highest sequence number that was appended. */
  readonly appended?: number;
  /** The lowest sequence number that a truncation has left. */
  readonly truncated?: number;
  /** The sequence number of a snapshot. */
  readonly saved?: number;
}

/**
 * The message that an actor gets.
 *
 * @param actorId The actor.
 * @param sequenceNumber The sequence number.
 * @returns The message, up to 400 characters.
 */
export function messageOf(actorId: string, sequenceNumber: number): string {
  return `${actorId} ${sequenceNumber} ${"x".repeat((sequenceNumber * 37) % 400)}`;
}

/**
 * The state that is saved for an actor.
 *
 * @param actorId The actor.
 * @param sequenceNumber The sequence number.
 * @returns The state, up to 20,000 characters.
 */
export function stateOf(actorId: string, sequenceNumber: number): string {
  return `${actorId} ${sequenceNumber} ${"y".repeat((sequenceNumber * 373) % 20_000)}`;
}
