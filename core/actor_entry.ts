/**
 * What an actor stores. Usually that is the user's message, event or state as it is, so that others
 * can read it. Where an actor has something of its own to store beside it, it is wrapped into an
 * object with the property `@cajun/actor`:
 *
 * | property | content |
 * |---|---|
 * | `@cajun/actor` | the version of this format: 1 |
 * | `content` | the user's message, event or state; left out where there is none |
 * | `effects` | with an event: the effects that were decided with it |
 * | `pending` | with a state: the effects that are not confirmed: sequence number, index, effect |
 * | `confirmed` | effects that were delivered: sequence number, index |
 * | `refused` | the sequence numbers of messages that their handler refused by an exception |
 * | `handled` | the sequence number up to which all messages have been handled |
 *
 * The user's own values that have this property are wrapped, too, so nothing can be mistaken.
 *
 * @module
 */

import { PersistenceError } from "./errors.ts";

const MARK = "@cajun/actor";
const VERSION = 1;

/** Which effect is meant: the sequence number of the entry that it was decided with, and its index. */
export type EffectPlace = readonly [sequenceNumber: number, index: number];

/** An effect that has not been confirmed. */
export type PendingEffect = readonly [sequenceNumber: number, index: number, effect: unknown];

/** What an actor stores beside what is the user's. */
export interface ActorEntry {
  /** The user's message, event or state. Left out where there is none. */
  readonly content?: unknown;
  /** The effects that were decided with the event. */
  readonly effects?: readonly unknown[];
  /** With a state: the effects that are not confirmed. */
  readonly pending?: readonly PendingEffect[];
  /** Effects that were delivered. */
  readonly confirmed?: readonly EffectPlace[];
  /** The sequence numbers of messages that their handler refused by an exception. */
  readonly refused?: readonly number[];
  /** The sequence number up to which all messages have been handled. */
  readonly handled?: number;
}

/** One that is wrapped. */
export interface WrappedActorEntry extends ActorEntry {
  /** The version of the format. */
  readonly "@cajun/actor": number;
}

/**
 * Whether a stored value is one that an actor has wrapped.
 *
 * @param stored What a journal or a snapshot store holds.
 * @returns Whether it is wrapped.
 */
export function isActorEntry(stored: unknown): stored is WrappedActorEntry {
  return typeof stored === "object" && stored !== null && Object.hasOwn(stored, MARK);
}

/**
 * Wraps what an actor stores, where that is needed.
 *
 * @param entry What is to be stored.
 * @returns The user's value itself where there is nothing else and it cannot be mistaken.
 */
export function wrapActorEntry(entry: ActorEntry): unknown {
  const { content, ...others } = entry;
  const isPlain = "content" in entry && Object.keys(others).length === 0 && !isActorEntry(content);
  return isPlain ? content : { [MARK]: VERSION, ...entry };
}

/**
 * The opposite of {@linkcode wrapActorEntry}.
 *
 * @param stored What a journal or a snapshot store holds.
 * @returns What is in it.
 * @throws {PersistenceError} `UNSUPPORTED_FORMAT` where a newer version has wrapped it.
 */
export function unwrapActorEntry(stored: unknown): ActorEntry {
  if (!isActorEntry(stored)) return { content: stored };
  const { [MARK]: version, ...entry } = stored;
  if (version === VERSION) return entry;
  throw new PersistenceError(
    "UNSUPPORTED_FORMAT",
    `Cannot read what an actor stored: its format has version ${version}, known is ${VERSION}`,
  );
}

/**
 * Gives what an actor stored, with another message, event or state in the place of the user's.
 *
 * @param stored What a journal or a snapshot store holds, or is about to.
 * @param change Gives what takes the place of the user's value. It is not called where there is none.
 * @returns The value to store, or to hand out.
 */
export function mapActorEntry(stored: unknown, change: (content: unknown) => unknown): unknown {
  if (!isActorEntry(stored)) return change(stored);
  return "content" in stored ? { ...stored, content: change(stored.content) } : stored;
}
