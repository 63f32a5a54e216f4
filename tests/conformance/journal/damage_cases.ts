import assert from "node:assert/strict";
import type { PersistenceErrorCode } from "../../../core/errors/persistence_error.ts";
import { addressOf } from "../../../core/format/actor_address.ts";
import { sealEnvelope } from "../../../core/format/envelope.ts";
import { FrameCursor, readFrame } from "../../../core/format/frame.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { Storage, StoredEntry } from "../../../core/ports/storage.ts";
import { assertDamaged, flipped, headOf, overwrite } from "./damage_fixture.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { heavyCodec, messagesOf, numbersOf, replayedOf } from "./fixture.ts";
import { commit, EVERYTHING, remove } from "../storage/fixture.ts";
import type { ConformanceOptions, StorageFactory } from "../types.ts";

/** Frames of the actor whose journal is damaged: the numbers that each holds. */
const FRAMES = [[0, 2], [3, 3], [4, 8], [9, 10]] as const;

/** With it, each frame is a record of its own. */
const CODEC = heavyCodec([0, 1, 3, 4, 9]);

/**
 * Registers the cases about a journal whose stored bytes were damaged behind its back. The damage is
 * done through the port; which bytes mean what, the cases do not know.
 */
export function describeDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "journal damage", withFrames);
  const { factory } = options;

  for (const [index, [first, last]] of FRAMES.entries()) {
    check(
      `no byte of the frame with ${first} to ${last} can be changed unnoticed (sample)`,
      async (storage, frames, journal) => {
        const frame = nth(frames, index);
        for (const offset of sampleOf(frame.value)) {
          for (const bit of [0x01, 0x80]) {
            await overwrite(storage, frame, flipped(frame.value, offset, bit));
            await assertDamaged(journal, first, last);
          }
        }
        await overwrite(storage, frame, frame.value);
        assert.deepEqual(await messagesOf(journal), range(0, 10));
      },
    );

    check(
      `the frame with ${first} to ${last} cannot be cut or lengthened unnoticed`,
      async (storage, frames, journal) => {
        const frame = nth(frames, index);
        for (const length of sampleOf(frame.value)) {
          await overwrite(storage, frame, frame.value.slice(0, length));
          await assertDamaged(journal, first, last);
        }
        for (const extra of [[0], [255], frame.value]) {
          await overwrite(storage, frame, Uint8Array.of(...frame.value, ...extra));
          await assertDamaged(journal, first, last);
        }
      },
    );

    check(
      `the frame with ${first} to ${last} cannot be lost unnoticed`,
      async (storage, frames, journal) => {
        await commit(storage, remove(nth(frames, index).key));
        await assertDamaged(journal, first, last);
      },
    );

    check(
      `appending goes on after a damaged frame with ${first} to ${last}, reading does not`,
      async (storage, frames, journal) => {
        const frame = nth(frames, index);
        await overwrite(storage, frame, flipped(frame.value, frame.value.length - 1, 0x10));
        assert.equal(await journal.append("a", 11), 11);
        await assertDamaged(journal, first, last);
        assert.deepEqual(await numbersOf(journal, last + 1), range(last + 1, 11));
      },
    );
  }

  check(
    "a journal that lost all frames is CORRUPT, from its first entry on",
    async (storage, frames, journal) => {
      await commit(storage, ...frames.map(({ key }) => remove(key)));
      const damage = { actorId: "a", sequenceNumber: 0 };
      await assertFails(() => journal.readFrom("a", 0), "CORRUPT", damage);
      await assertFails(() => replayedOf(journal), "CORRUPT", damage);
      await assertFails(() => journal.readFrom("a", 10), "CORRUPT", { sequenceNumber: 10 });
      assert.equal(await journal.getHighestSequenceNumber("a"), 10);
    },
  );

  check("a frame under the key of another is CORRUPT", async (storage, frames, journal) => {
    await overwrite(storage, nth(frames, 2), nth(frames, 1).value);
    await assertDamaged(journal, 4, 8);
  });

  check("a frame of another actor is CORRUPT", async (storage, frames, journal, otherFrames) => {
    await overwrite(storage, nth(frames, 2), nth(otherFrames, 2).value);
    await assertDamaged(journal, 4, 8);
    assert.deepEqual(await messagesOf(journal, "b"), range(0, 10));
  });

  check("frames that leave a hole between them are CORRUPT", async (storage, frames, journal) => {
    // Sound in itself, under its own key, but of a journal that was cut otherwise.
    const other = await framesOf(factory, [5, 4, 2]);
    await overwrite(storage, nth(frames, 2), nth(other, 1).value);
    const damage = { actorId: "a", sequenceNumber: 4 };
    await assertFails(() => journal.readFrom("a", 0), "CORRUPT", damage);
    await assertFails(() => replayedOf(journal), "CORRUPT", damage);
    assert.deepEqual(await numbersOf(journal, 0, { to: 3 }), range(0, 3));
    assert.deepEqual(await numbersOf(journal, 5), range(5, 10));
  });

  check("frames that overlap are CORRUPT", async (storage, frames, journal) => {
    const other = await framesOf(factory, [1, 1, 7, 2]);
    await overwrite(storage, nth(frames, 2), nth(other, 2).value);
    await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { actorId: "a" });
    await assertFails(() => replayedOf(journal), "CORRUPT", { actorId: "a" });
    assert.deepEqual(await numbersOf(journal, 0, { to: 3 }), range(0, 3));
  });

  check("a message that a newer version has stored is UNSUPPORTED_FORMAT, no other", async (
    storage,
    frames,
    journal,
  ) => {
    const frame = nth(frames, 1);
    const cursor = new FrameCursor(
      readFrame(addressOf("", "a", "read"), frame.key, frame.value),
      3,
      3,
    );
    assert.ok(cursor.advance());
    for (const bit of [0x04, 0x80]) {
      const value = flipped(frame.value, cursor.payloadStart, bit);
      sealEnvelope(frame.key, value, 1);
      await overwrite(storage, frame, value);
      const place = { actorId: "a", sequenceNumber: 3 };
      await assertFails(() => journal.readFrom("a", 0), "UNSUPPORTED_FORMAT", place);
      await assertFails(() => replayedOf(journal), "UNSUPPORTED_FORMAT", place);
      assert.deepEqual(await numbersOf(journal, 0, { to: 2 }), range(0, 2));
      assert.deepEqual(await numbersOf(journal, 4), range(4, 10));
    }
    assert.equal(await journal.append("a", 11), 11);
  });

  check("a damaged head is CORRUPT, whatever is asked for", async (storage, _, journal) => {
    const head = await headOf(storage);
    for (const offset of head.value.keys()) {
      await overwrite(storage, head, flipped(head.value, offset, 0x04), "heads");
      await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { actorId: "a" });
      await assertFails(() => replayedOf(journal), "CORRUPT", { actorId: "a" });
      const fresh = await freshJournal(storage);
      await assertFails(() => fresh.readFrom("a", 0), "CORRUPT", { actorId: "a" });
      await assertFails(() => fresh.getHighestSequenceNumber("a"), "CORRUPT", { actorId: "a" });
    }
    await assertUnwritable(storage, "CORRUPT");
    await overwrite(storage, head, head.value, "heads");
    assert.equal(await journal.append("a", 11), 11);
  });

  check("a head of another actor is CORRUPT", async (storage, _, journal) => {
    const other = (await storage.scan("heads", EVERYTHING))[1];
    assert.ok(other);
    await overwrite(storage, await headOf(storage), other.value, "heads");
    await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { actorId: "a" });
    await assertUnwritable(storage, "CORRUPT");
  });

  check(
    "a lost head with entries left is CORRUPT, and no journal begins anew over them",
    async (storage, frames, journal) => {
      const log = await storage.scan("log", EVERYTHING);
      await commit(storage, remove((await headOf(storage)).key, "heads"));
      await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { actorId: "a" });
      await assertFails(() => replayedOf(journal), "CORRUPT", { actorId: "a" });
      const fresh = await freshJournal(storage);
      await assertFails(() => fresh.getHighestSequenceNumber("a"), "CORRUPT", { actorId: "a" });
      await assertUnwritable(storage, "CORRUPT");
      const page = await storage.scan("entries", EVERYTHING);
      assert.equal(page.length, 2 * frames.length, "nothing was written");
      assert.deepEqual(await storage.scan("log", EVERYTHING), log, "nothing was written");
    },
  );

  check("who knew a lost head appends on, and what is missing is CORRUPT as before", async (
    storage,
    frames,
    journal,
  ) => {
    await commit(storage, remove((await headOf(storage)).key, "heads"));
    assert.equal(await journal.append("a", 11), 11);
    for (const isCollected of [false, true]) {
      if (isCollected) await collectLog(storage);
      for (const one of [journal, await freshJournal(storage)]) {
        await assertFails(() => one.readFrom("a", 0), "CORRUPT", { actorId: "a" });
        await assertFails(() => replayedOf(one), "CORRUPT", { actorId: "a" });
      }
    }
    const page = await storage.scan("entries", EVERYTHING);
    assert.equal(page.length, 2 * frames.length, "nothing was overwritten");
  });

  check("damage to one actor does not concern another", async (storage, frames, journal) => {
    for (const frame of frames) await overwrite(storage, frame, new Uint8Array(0));
    await overwrite(storage, await headOf(storage), new Uint8Array(0), "heads");
    const outcomes = await Promise.allSettled([
      journal.append("b", 11),
      journal.readFrom("a", 0),
      journal.append("b", 12),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status), [
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    assert.deepEqual(await messagesOf(journal, "b"), range(0, 12));
  });

  check(
    "a truncation removes damaged frames below it, and the rest is sound again",
    async (storage, frames, journal) => {
      const frame = nth(frames, 0);
      await overwrite(storage, frame, flipped(frame.value, 7, 0x01));
      await journal.truncateBefore("a", 3);
      assert.deepEqual(await messagesOf(journal), range(3, 10));
      assert.deepEqual(await replayedOf(journal), range(3, 10));
    },
  );
}

/** A few hundred of the offsets of a long record: all at its ends, some in between. */
function sampleOf({ length }: Uint8Array): number[] {
  const ends = 40;
  return Array.from({ length }, (_, offset) => offset)
    .filter((offset) => offset < ends || offset >= length - ends || offset % 61 === 0);
}

type Run = (
  storage: Storage,
  frames: StoredEntry[],
  journal: MessageJournal<unknown>,
  otherFrames: StoredEntry[],
) => Promise<void>;

/** Runs with the frames of the actors "a" and "b", both with the numbers 0 to 10 as messages. */
function withFrames(factory: StorageFactory, run: Run): Promise<void> {
  return withStorage(factory, async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
    const journal = provider.createMessageJournal<unknown>();
    for (const actorId of ["a", "b"]) {
      for (const [first, last] of FRAMES) {
        await journal.appendBatch(actorId, range(first, last));
        await collectLog(storage);
      }
    }
    const all = await storage.scan("entries", EVERYTHING);
    assert.equal(all.length, 2 * FRAMES.length, "each batch that is collected is one frame");
    await run(storage, all.slice(0, FRAMES.length), journal, all.slice(FRAMES.length));
  });
}

/** Frames of the same actor elsewhere, cut otherwise. */
async function framesOf(
  factory: StorageFactory,
  sizes: readonly number[],
): Promise<StoredEntry[]> {
  let frames: StoredEntry[] = [];
  await withStorage(factory, async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
    const journal = provider.createMessageJournal<unknown>();
    for (const size of sizes) {
      await journal.appendBatch("a", range(1, size));
      await collectLog(storage);
    }
    frames = await storage.scan("entries", EVERYTHING);
  });
  return frames;
}

/** A journal of a provider that has not seen anything yet. It is not closed, nor is the storage. */
async function freshJournal(storage: Storage): Promise<MessageJournal<unknown>> {
  const provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
  return provider.createMessageJournal<unknown>();
}

/** A provider that never saw the head in its sound state does not write either. */
async function assertUnwritable(
  storage: Storage,
  code: PersistenceErrorCode,
): Promise<void> {
  const journal = await freshJournal(storage);
  await assertFails(() => journal.append("a", 11), code, { actorId: "a" });
  await assertFails(() => journal.appendBatch("a", [11]), code, { actorId: "a" });
  await assertFails(() => journal.truncateBefore("a", 5), code, { actorId: "a" });
  await assertFails(() => journal.append("a", 11, { expectedSequenceNumber: 0 }), code);
}

function nth(frames: readonly StoredEntry[], index: number): StoredEntry {
  const frame = frames[index];
  assert.ok(frame);
  return frame;
}
