import assert from "node:assert/strict";
import type { AppendReceipt } from "../../../core/ports/journal.ts";
import { assertFails, casesOf, errorOf, nextMillisecond, range } from "../fixture.ts";
import { type JournalKind, messagesOf, withJournal } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const RECEIPT = { receipt: true } as const;

/** Registers the cases about receipts. */
export function describeReceipts(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} receipt`, withJournal(kind));

  check("it has number and timestamp of the entry", async (journal) => {
    const receipts: AppendReceipt[] = [];
    for (const index of range(0, 2)) {
      receipts.push(await journal.append("a", index, RECEIPT));
      await nextMillisecond();
    }
    receipts.push(...await journal.appendBatch("a", [3, 4, 5], RECEIPT));
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(
      receipts.map(({ sequenceNumber, timestamp }) => ({ sequenceNumber, timestamp })),
      entries.map(({ sequenceNumber, timestamp }) => ({ sequenceNumber, timestamp })),
    );
    assert.equal(
      new Set(receipts.map(({ timestamp }) => timestamp)).size,
      6,
      "nobody's but its own",
    );
  });

  check("appends with and without receipts, not awaited, hold their order", async (journal) => {
    const results = await Promise.all(
      range(0, 299).map(async (index) => {
        switch (index % 4) {
          case 0:
            return await journal.append("a", index, RECEIPT);
          case 1:
            return (await journal.appendBatch("a", [index], RECEIPT))[0];
          default:
            return await journal.append("a", index);
        }
      }),
    );
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(entries.map(({ message }) => message), range(0, 299));
    for (const [index, { sequenceNumber, timestamp }] of entries.entries()) {
      const result = results[index];
      if (index % 4 > 1) assert.equal(result, sequenceNumber);
      else {
        assert.ok(typeof result === "object");
        assert.deepEqual({ ...result, position: 0 }, { sequenceNumber, timestamp, position: 0 });
      }
    }
  });

  check("positions are in the order of acknowledgements, over all actors", async (journal) => {
    let before = 0;
    for (const index of range(0, 9)) {
      const receipts = await Promise.all(
        ["a", "b", `c-${index}`].map((actorId) => journal.append(actorId, index, RECEIPT)),
      );
      const [batched] = await journal.appendBatch("d", [1, 2], RECEIPT);
      assert.ok(batched);
      for (const { position } of receipts) {
        assert.ok(position > before && position < batched.position, `${position} after ${before}`);
      }
      before = batched.position;
    }
  });

  check("a batch of nothing has none", async (journal) => {
    assert.deepEqual(await journal.appendBatch("a", [], RECEIPT), []);
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
  });

  check("it does not go without what else is asked for", async (journal) => {
    const expected = { ...RECEIPT, expectedSequenceNumber: 0 };
    assert.equal((await journal.append("a", "x", expected)).sequenceNumber, 0);
    await assertFails(() => journal.append("a", "y", expected), "CONFLICT");
    const aborted = { ...RECEIPT, signal: AbortSignal.abort("enough") };
    assert.equal(await errorOf(() => journal.appendBatch("a", ["y"], aborted)), "enough");
    await assertFails(() => journal.append("a", () => {}, RECEIPT), "UNENCODABLE");
    assert.deepEqual(await messagesOf(journal), ["x"]);
  });

  check("without it, or with false, a number is given", async (journal) => {
    assert.equal(await journal.append("a", "x", { receipt: false }), 0);
    assert.deepEqual(await journal.appendBatch("a", ["x"], { receipt: false }), [1]);
  });
}
