/**
 * Messages and states that say where they come from, and whose every byte follows from that.
 *
 * @module
 */

import { randomFrom } from "../conformance/random.ts";

/** Where a message comes from. */
export interface Origin {
  readonly actorId: string;
  /** The process, without spaces. */
  readonly writer: string;
  /** Which of its operations. */
  readonly operation: number;
  /** Which message of the operation. */
  readonly at: number;
  /** How many messages the operation appends. */
  readonly of: number;
  /** How long it is at the least. Default: 0. */
  readonly bytes?: number;
}

const FILLER = fillerOf(1 << 16);

/** The message that comes from there. */
export function messageOf({ actorId, writer, operation, at, of, bytes = 0 }: Origin): string {
  return filled(`${actorId} ${writer} ${operation} ${at} ${of} ${bytes}`, bytes);
}

/** Whether something is a message of an actor, with every byte as it was. */
export function isMessage(actorId: string, message: unknown): message is string {
  if (typeof message !== "string") return false;
  const origin = originOf(message);
  return origin.actorId === actorId && messageOf(origin) === message;
}

/** The state that an operation saves. */
export function stateOf(
  { actorId, writer, operation, at, of, bytes = 0 }: Origin,
  sequenceNumber: number,
): string {
  return filled(`${actorId} ${writer} ${operation} ${at} ${of} ${bytes} ${sequenceNumber}`, bytes);
}

/** Whether something is a state of an actor, with every byte as it was. */
export function isState(
  actorId: string,
  sequenceNumber: number,
  state: unknown,
): state is string {
  if (typeof state !== "string") return false;
  const origin = originOf(state);
  return origin.actorId === actorId && stateOf(origin, sequenceNumber) === state;
}

/** Where a message or a state says that it comes from. */
export function originOf(content: string): Required<Origin> {
  const [actorId = "", writer = "", operation, at, of, bytes] = content.split(" ", 6);
  return {
    actorId,
    writer,
    operation: Number(operation),
    at: Number(at),
    of: Number(of),
    bytes: Number(bytes),
  };
}

function filled(head: string, bytes: number): string {
  let content = `${head} `;
  // Where the filler begins depends on the head, so that no two of them can be mistaken.
  let at = hashOf(head) % FILLER.length;
  while (content.length < bytes) {
    content += FILLER.slice(at, at + bytes - content.length);
    at = 0;
  }
  return content;
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

function fillerOf(length: number): string {
  const random = randomFrom(1);
  return String.fromCharCode(...Array.from({ length: 1 << 13 }, () => 33 + random.below(94)))
    .repeat(length >> 13);
}
