/**
 * The small records beside a journal as targets: the mark of a removal, what actors remember, the
 * positions of consumers, effects.
 *
 * @module
 */

import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { addressOf } from "../../../core/format/actor_address.ts";
import {
  decodeHandled,
  decodeSourcing,
  encodeHandled,
  encodeRefused,
  encodeSourcing,
  handledKey,
  refusedKey,
  sourcingKey,
  verifyRefused,
} from "../../../core/format/actor_marks.ts";
import {
  consumersKey,
  decodeConsumers,
  encodeConsumers,
} from "../../../core/format/consumer_record.ts";
import { decodeEffect, effectKey, encodeEffect } from "../../../core/format/effect_record.ts";
import { ENVELOPE_BYTES, sealEnvelope } from "../../../core/format/envelope.ts";
import { entryKey } from "../../../core/format/keys.ts";
import {
  decodeRemovalMark,
  putRemovalMark,
  removalKey,
} from "../../../core/format/removal_mark.ts";
import type { Random } from "../../conformance/random.ts";
import { joined, randomBytes } from "./inputs.ts";
import type { FuzzTarget } from "./targets.ts";

const ACTOR = "actor";
const actor = addressOf("", ACTOR, "test");
const NEWER_VERSION = 255;
const NAMES = ["reports", "__proto__", "constructor", "", "é"];
const FORGED_CONSUMERS = [
  "{}",
  "[]",
  "null",
  "1",
  '[["a"]]',
  '[["a","1"]]',
  "[[1,1]]",
  '[["a",1.5]]',
  '[["a",-1]]',
  '[["a",1e999]]',
  '[["__proto__",1]]',
  '[["a",{"__proto__":1}]]',
  '["ab"]',
  "[null]",
];

/** These targets. */
export const recordTargets: readonly FuzzTarget[] = [
  target("mark of a removal", removalKey(actor.key), {
    sound: (random) => {
      const change = putRemovalMark(actor, random.below(2) === 0 ? "delete" : "erase");
      return change.type === "put" ? change.value : new Uint8Array(0);
    },
    decode(key, value) {
      const mode = decodeRemovalMark(actor, { key, value, version: 1 });
      if (mode !== "delete" && mode !== "erase") throw new Error(`a removal of kind ${mode}`);
    },
  }),
  target("mark of handled messages", handledKey(actor.key), {
    sound: (random, key) => encodeHandled(key, random.below(2 ** 31)),
    decode(key, value) {
      const handled = decodeHandled(key, value, actor);
      if (!Number.isSafeInteger(handled) || handled < 0) throw new Error(`handled: ${handled}`);
    },
  }),
  target("mark of a refused message", refusedKey(entryKey(actor.key, 7)), {
    sound: (_, key) => encodeRefused(key),
    decode: (key, value) => verifyRefused(key, value, actor),
  }),
  target("sourcing of a kind", sourcingKey(actor.key), {
    sound: (random, key) => encodeSourcing(key, random.below(2) === 0 ? "events" : "commands"),
    decode(key, value) {
      const sourcing = decodeSourcing(key, value, "kind");
      if (sourcing !== "events" && sourcing !== "commands") throw new Error(`by ${sourcing}`);
    },
  }),
  target("consumers", consumersKey(actor.key), {
    sound: soundConsumers,
    forged: (random) => {
      const text = FORGED_CONSUMERS[random.below(FORGED_CONSUMERS.length)] ?? "";
      return joined(new Uint8Array(ENVELOPE_BYTES), new TextEncoder().encode(text));
    },
    decode(key, value) {
      const positions = decodeConsumers(actor, key, { key, value, version: 1 });
      for (const [name, position] of positions) {
        const isSound = typeof name === "string" && Number.isSafeInteger(position) && position >= 0;
        if (!isSound) throw new Error(`consumer ${String(name)} at ${String(position)}`);
      }
      return positions;
    },
  }),
  target("effect", effectKey("open", actor.key, 7, 1), {
    sound: (random, key) =>
      encodeEffect(key, {
        decidedAtMs: 1_700_000_000_000,
        dueAtMs: 1_700_000_000_000 + random.below(2 ** 31),
        attempts: random.below(20),
        lastError: random.below(2) === 0 ? "" : "Error: étrange",
        payload: randomBytes(random.below(50), random),
      }),
    decode(key, value) {
      const effect = decodeEffect(key, value, ACTOR);
      const times = [effect.decidedAtMs, effect.dueAtMs, effect.attempts];
      if (!times.every((number) => Number.isSafeInteger(number) && number >= 0)) {
        throw new Error(`an effect with ${times.join()}`);
      }
      return { ...effect, payload: effect.payload.slice() };
    },
  }),
];

function soundConsumers(random: Random, key: Uint8Array): Uint8Array {
  const names = NAMES.slice(0, random.below(NAMES.length + 1));
  return encodeConsumers(key, new Map(names.map((name) => [name, random.below(2 ** 31)])));
}

/** A record with an envelope, which a forger seals, now and then as one of a newer version. */
function target(
  name: string,
  key: Uint8Array,
  { sound, forged, decode }: {
    readonly sound: (random: Random, key: Uint8Array) => Uint8Array;
    readonly forged?: (random: Random) => Uint8Array;
    readonly decode: (key: Uint8Array, value: Uint8Array) => unknown;
  },
): FuzzTarget {
  return {
    name,
    sound: (random) => sound(random, key),
    ...(forged && { forged }),
    seal(bytes, random) {
      if (bytes.length < ENVELOPE_BYTES) return;
      sealEnvelope(key, bytes, random.below(10) === 0 ? NEWER_VERSION : 1);
    },
    decode: (bytes) => decode(key, bytes),
    isRefusal: (error) =>
      error instanceof PersistenceError && ["CORRUPT", "UNSUPPORTED_FORMAT"].includes(error.code),
  };
}
