/**
 * Small words for the cases about journals. Every case runs against both kinds of journal.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Codec } from "../../../core/ports/codec.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { ReadOptions, ReplayOptions } from "../../../core/ports/journal_options.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import type { Schema } from "../../../core/ports/schema.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { type Within, withProvider, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";

/** A kind of journal that the same cases hold of. */
export interface JournalKind {
  /** Its name in the names of the cases. */
  readonly name: string;
  /** Makes one, bound to an actor if one is given, and with a schema if one is given. */
  create<Message>(
    provider: PersistenceProvider,
    actorId?: string,
    schema?: Schema<Message>,
  ): MessageJournal<Message>;
}

/** What goes out with the next commit. */
export const PLAIN: JournalKind = {
  name: "journal",
  create: (provider, actorId, schema) =>
    provider.createMessageJournal({
      ...(actorId !== undefined && { actorId }),
      ...(schema !== undefined && { schema }),
    }),
};

/** What waits for more, but only briefly: most cases await each append. */
export const BATCHED: JournalKind = {
  name: "batched journal",
  create: (provider, actorId, schema) =>
    provider.createBatchedMessageJournal({
      maxBatchDelayMs: 1,
      ...(actorId !== undefined && { actorId }),
      ...(schema !== undefined && { schema }),
    }),
};

/** So large that an entry of it has no room in the tail of a journal. */
const HEAVY_BYTES = 2_000;

/**
 * A codec for numbers, of which some become large. A frame with such a one is a record of its own;
 * what is smaller may stand in the head of the journal.
 *
 * @param heavy The numbers that become large.
 */
export function heavyCodec(heavy: readonly number[]): Codec {
  return {
    name: "heavy",
    encode: (value) => {
      const bytes = new Uint8Array(heavy.includes(Number(value)) ? HEAVY_BYTES : 1);
      bytes[0] = Number(value);
      return bytes;
    },
    decode: (bytes) => bytes[0],
  };
}

/** What a case about a journal may use. */
export interface JournalScene {
  readonly provider: PersistenceProvider;
  readonly storage: Storage;
  /** Makes another journal of the same kind on the same provider. */
  create<Message>(actorId?: string, schema?: Schema<Message>): MessageJournal<Message>;
}

/** What runs with a journal. */
export type JournalRun = (
  journal: MessageJournal<unknown>,
  scene: JournalScene,
) => Promise<void>;

/** Makes a journal of a kind on a fresh storage. */
export function withJournal(kind: JournalKind, options: ProviderOptions = {}): Within<JournalRun> {
  return (factory, run) =>
    withProvider(options)(factory, (provider, storage) =>
      run(kind.create(provider), {
        provider,
        storage,
        create: (actorId, schema) => kind.create(provider, actorId, schema),
      }));
}

/** What runs with journals of two writers. */
export type TwoWritersRun = (
  one: MessageJournal<unknown>,
  other: MessageJournal<unknown>,
) => Promise<void>;

/** Makes journals of a kind on two providers on one fresh storage, as two processes would. */
export function withTwoWriters(kind: JournalKind): Within<TwoWritersRun> {
  return (factory, run) =>
    withStorage(factory, async (storage) => {
      await using one = await PersistenceProvider.openOn(storage);
      await using other = await PersistenceProvider.openOn(storage);
      await run(kind.create(one), kind.create(other));
    });
}

/** What runs with a journal on a storage that is observed, or fails. */
export type ObservedRun = (
  journal: MessageJournal<unknown>,
  storage: ObservedStorage,
  provider: PersistenceProvider,
) => Promise<void>;

/** Makes a journal of a kind on a fresh storage that can be watched, held back and made to fail. */
export function withObserved(
  kind: JournalKind,
  options: ProviderOptions = {},
): Within<ObservedRun> {
  return (factory, run) =>
    withStorage(factory, async (inner) => {
      const storage = new ObservedStorage(inner);
      await using provider = await PersistenceProvider.openOn(storage, options);
      await run(kind.create(provider), storage, provider);
    });
}

/** The messages of a whole journal, after a check that it has no gap and tells the right actor. */
export async function messagesOf(
  journal: MessageJournal<unknown>,
  actorId = "a",
): Promise<unknown[]> {
  const entries = await journal.readFrom(actorId, 0);
  const first = entries[0]?.sequenceNumber ?? 0;
  for (const [index, entry] of entries.entries()) {
    assert.equal(entry.sequenceNumber, first + index, "consecutive numbers");
    assert.equal(entry.actorId, actorId);
  }
  return entries.map(({ message }) => message);
}

/** The sequence numbers that a journal gives for a range, read at once. */
export async function numbersOf(
  journal: MessageJournal<unknown>,
  from = 0,
  options: ReadOptions = {},
  actorId = "a",
): Promise<number[]> {
  const entries = await journal.readFrom(actorId, from, options);
  return entries.map(({ sequenceNumber }) => sequenceNumber);
}

/** The sequence numbers that a journal gives for a range, replayed. */
export async function replayedOf(
  journal: MessageJournal<unknown>,
  from = 0,
  options: ReplayOptions = {},
  actorId = "a",
): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { sequenceNumber } of journal.replay(actorId, from, options)) {
    numbers.push(sequenceNumber);
  }
  return numbers;
}

/**
 * A codec for texts that has exactly one byte for each ASCII character, so that limits can be met
 * to the byte. It hands out views on one buffer, which the port allows.
 */
export function asciiCodec(name = "ascii"): Codec {
  const buffer = new Uint8Array(2 ** 20);
  return {
    name,
    encode(value) {
      if (typeof value !== "string") throw new Error(`no text: ${String(value)}`);
      return buffer.subarray(0, new TextEncoder().encodeInto(value, buffer).written);
    },
    decode(bytes) {
      const text = new TextDecoder().decode(bytes);
      if (text.startsWith("undecodable")) throw new Error("cannot decode");
      return text;
    },
  };
}
