/**
 * Puts the stores of a kind of actors together.
 *
 * @module
 */

import { checkKind } from "../errors/arguments.ts";
import { actorKeysWith } from "../format/keys.ts";
import { BARE_PARTS } from "../format/payload.ts";
import type { ActorStore } from "../ports/actor_store.ts";
import type { Codec } from "../ports/codec.ts";
import type { Storage } from "../ports/storage.ts";
import { decodeValue, EFFECT, encodeValue } from "../schema/payloads.ts";
import { CallTracker } from "../util/call_tracker.ts";
import type { JournalServices } from "./journal_services.ts";
import { QueuedActorStore } from "./queued_actor_store.ts";
import { QueuedJournal } from "./queued_journal.ts";
import { QueuedOutboxStore } from "./queued_outbox_store.ts";
import { QueuedSnapshotStore, type SnapshotServices } from "./queued_snapshot_store.ts";

const NO_BYTES = new Uint8Array(0);

/** What the stores of a kind of actors are made of. */
export interface ActorStoreParts {
  readonly storage: Storage;
  readonly codec: Codec;
  readonly kind: string;
  /** The services of its journal, with its schema. */
  readonly journals: JournalServices;
  /** The services of its snapshots, with their schema. */
  readonly snapshots: SnapshotServices;
  readonly keepSnapshots: number | undefined;
  readonly maxRunBytes: number;
}

/**
 * Makes the stores of a kind of actors.
 *
 * @param parts What they are made of.
 * @returns The stores.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the kind, or the number of
 *   snapshots, is invalid.
 */
export function makeActorStore<Stored, State>(
  { storage, codec, kind, journals, snapshots, keepSnapshots, maxRunBytes }: ActorStoreParts,
): ActorStore<Stored, State> {
  const { queue, encoder, assertOpen } = journals;
  const actors = actorKeysWith(checkKind(kind, "create actor store"), NO_BYTES);
  const outbox = new QueuedOutboxStore({
    storage,
    queue,
    kind,
    actors,
    decode: (bytes, actor, sequenceNumber) =>
      decodeValue(
        codec,
        {
          bytes,
          payloadStart: 0,
          payloadEnd: bytes.length,
          actor,
          sequenceNumber,
          timeMs: 0,
        },
        BARE_PARTS,
        EFFECT,
      ),
    assertOpen,
  });
  return new QueuedActorStore<Stored, State>({
    storage,
    queue,
    kind,
    actors,
    journal: new QueuedJournal<Stored>(journals, { kind }),
    snapshots: new QueuedSnapshotStore<State>(
      snapshots,
      keepSnapshots === undefined ? { kind } : { kind, keep: keepSnapshots },
    ),
    outbox,
    encoder,
    encodeEffect: (effect, address) => encodeValue(codec, effect, "store effect of", address),
    origin: {
      calls: new CallTracker(),
      pending: { messages: 0, bytes: 0 },
      batchPolicy: undefined,
      // The mailboxes of the actors bound what they have under way.
      isBounded: true,
    },
    maxRunBytes,
    assertOpen,
  });
}
