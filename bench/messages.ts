// The messages that all contestants store: the same objects, in the same order.
import type { Codec } from "../mod.ts";

/** How large messages are when the default codec has encoded them, about. */
export const messageBytes = [30, 120, 1_024, 65_536] as const;

/** One of these sizes. */
export type MessageBytes = typeof messageBytes[number];

/** A message: an object without anything that a codec needs an extension for. */
export type Message = Readonly<Record<string, string | number | boolean>>;

/** So many different messages are made; longer runs begin with the first one again. */
const POOL_SIZE = 10_000;

/** Makes the messages of one size. */
export function makeMessages(bytes: MessageBytes): Message[] {
  const random = randomNumbers(bytes);
  return Array.from(
    { length: POOL_SIZE },
    (_, index) => makers[bytes](index, random),
  );
}

const makers: Record<
  MessageBytes,
  (index: number, random: () => number) => Message
> = {
  30: (index, random) => ({
    id: 100_000 + index,
    type: "tick",
    up: random() < 0.5,
  }),
  120: event,
  1_024: (index, random) => ({
    ...event(index, random),
    note: text(890, random),
  }),
  65_536: (index, random) => ({
    ...event(index, random),
    note: text(65_400, random),
  }),
};

/** What an account may have in its journal. */
function event(index: number, random: () => number): Message {
  return {
    type: "MoneyDeposited",
    account: `account-${String(index % 1_000).padStart(4, "0")}`,
    amount: Math.floor(random() * 1e6) / 100,
    currency: "EUR",
    at: 1_700_000_000_000 + index * 1_000,
    reference: `payment ${String(index).padStart(6, "0")}`,
  };
}

/** Text of a length, of which each message has a different one. */
function text(length: number, random: () => number): string {
  const words = [
    "order",
    "shipped",
    "to",
    "warehouse",
    "north",
    "by",
    "express",
    "parcel",
  ];
  const shift = Math.floor(random() * 64);
  const line = words.join(" ").repeat(2);
  return line.slice(shift).concat(line.repeat(Math.ceil(length / line.length)))
    .slice(0, length);
}

/** The messages as bytes, each in memory of its own. */
export function encodeAll(
  codec: Codec,
  messages: readonly Message[],
): Uint8Array[] {
  return messages.map((message) => codec.encode(message).slice());
}

/** Takes from a pool in a circle. */
export function circulate<Item>(pool: readonly Item[]): () => Item {
  let index = 0;
  return () => {
    if (index === pool.length) index = 0;
    return pool[index++]!;
  };
}

/** The same numbers in every run: mulberry32, by Tommy Ettinger, in the public domain. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
