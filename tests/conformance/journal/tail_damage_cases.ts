import assert from "node:assert/strict";
import { HEAD_BYTES_BEFORE_TAIL } from "../../../core/format/head.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { assertDamaged, flipped, headOf, overwrite } from "./damage_fixture.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { heavyCodec, messagesOf, numbersOf } from "./fixture.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import type { ConformanceOptions, StorageFactory } from "../types.ts";

/** With it, a batch that begins with 0 is a record of its own. */
const CODEC = heavyCodec([0]);

/**
 * Registers the cases about a journal whose last entries were damaged while they stood in its head.
 */
export function describeTailDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "tail damage", withTail);

  check("no byte of the tail can be changed unnoticed", async (storage, tail, journal) => {
    const head = await headOf(storage);
    for (let offset = head.value.length - tail.length; offset < head.value.length; offset++) {
      for (const bit of [0x01, 0x80]) {
        await overwrite(storage, head, flipped(head.value, offset, bit), "heads");
        await assertDamaged(journal, 3, 5);
      }
    }
    await overwrite(storage, head, head.value, "heads");
    assert.deepEqual(await messagesOf(journal), range(0, 5));
  });

  check("the tail cannot be cut or lengthened unnoticed", async (storage, tail, journal) => {
    const head = await headOf(storage);
    for (let cut = 1; cut <= tail.length; cut++) {
      await overwrite(storage, head, head.value.slice(0, -cut), "heads");
      await assertDamaged(journal, 3, 5);
    }
    for (const extra of [[0], [255], tail]) {
      await overwrite(storage, head, Uint8Array.of(...head.value, ...extra), "heads");
      await assertDamaged(journal, 3, 5);
    }
  });

  check("the tail of another journal is CORRUPT", async (storage, tail, journal) => {
    const head = await headOf(storage);
    const other = (await storage.scan("heads", EVERYTHING))[1];
    assert.ok(other);
    const value = head.value.slice();
    value.set(other.value.subarray(-tail.length), value.length - tail.length);
    await overwrite(storage, head, value, "heads");
    await assertDamaged(journal, 3, 5);
  });

  check(
    "appending goes on after a damaged tail, reading does not",
    async (storage) => {
      const head = await headOf(storage);
      const damaged = flipped(head.value, head.value.length - 1, 0x10);
      await overwrite(storage, head, damaged, "heads");
      const journal = await freshJournal(storage);
      for (const number of [6, 7]) {
        assert.equal(await journal.append("a", number), number);
        await assertDamaged(journal, 3, 5);
        assert.deepEqual(await numbersOf(journal, 6), range(6, number));
      }
    },
  );

  check("a truncation removes a damaged tail, and the rest is sound again", async (storage) => {
    const head = await headOf(storage);
    const damaged = flipped(head.value, head.value.length - 1, 0x10);
    await overwrite(storage, head, damaged, "heads");
    const journal = await freshJournal(storage);
    await journal.truncateBefore("a", 5);
    await assertFails(() => journal.readFrom("a", 0), "CORRUPT", { actorId: "a" });
    await journal.truncateBefore("a", 6);
    assert.deepEqual(await messagesOf(journal), []);
    assert.equal(await journal.append("a", 6), 6);
    assert.deepEqual(await messagesOf(journal), [6]);
  });
}

/** A journal of a provider that has not seen anything yet. It is not closed, nor is the storage. */
async function freshJournal(storage: Storage): Promise<MessageJournal<unknown>> {
  const provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
  return provider.createMessageJournal<unknown>();
}

type TailRun = (
  storage: Storage,
  tail: Uint8Array,
  journal: MessageJournal<unknown>,
) => Promise<void>;

/** Runs with a frame of 0 to 2 and a tail of 3 to 5, for the actors "a" and "b". */
function withTail(factory: StorageFactory, run: TailRun): Promise<void> {
  return withStorage(factory, async (storage) => {
    await using provider = await PersistenceProvider.openOn(storage, { codec: CODEC });
    const journal = provider.createMessageJournal<unknown>();
    for (const actorId of ["a", "b"]) {
      await journal.appendBatch(actorId, range(0, 2));
      await collectLog(storage);
      const before = await headOf(storage, actorId);
      for (const number of range(3, 5)) await journal.append(actorId, number);
      await collectLog(storage);
      const after = await headOf(storage, actorId);
      assert.ok(after.value.length > before.value.length, "it stands in the head");
    }
    assert.equal((await storage.scan("entries", EVERYTHING)).length, 2);
    const { value } = await headOf(storage);
    await run(storage, value.slice(HEAD_BYTES_BEFORE_TAIL), journal);
  });
}
