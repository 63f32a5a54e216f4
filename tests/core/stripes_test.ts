import assert from "node:assert/strict";
import { MemoryDatabase, MemoryPersistenceProvider } from "../../adapters/memory.ts";
import type { JournalEntry, MessageJournal, PersistenceProvider } from "../../mod.ts";
import { range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";

const ROUNDS = 100;

interface Writer {
  readonly provider: PersistenceProvider;
  readonly journal: MessageJournal<number>;
}

async function writersOf(count: number): Promise<Writer[]> {
  const database = new MemoryDatabase();
  return await Promise.all(Array.from({ length: count }, async () => {
    const provider = await MemoryPersistenceProvider.open({ database });
    return { provider, journal: provider.createMessageJournal<number>() };
  }));
}

/** Commits of all writers at once, again and again; what each got. */
async function appendTogether(
  writers: readonly Writer[],
  actorOf: (writer: number) => string,
): Promise<{ readonly sequenceNumber: number; readonly position: number }[][]> {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push(
      await Promise.all(
        writers.map(({ journal }, index) =>
          journal.append(actorOf(index), round, { receipt: true })
        ),
      ),
    );
  }
  return rounds;
}

async function conflictsOf(writers: readonly Writer[]): Promise<number> {
  const stats = await Promise.all(writers.map(({ provider }) => provider.stats()));
  return stats.reduce((sum, { conflicts }) => sum + conflicts, 0);
}

for (const count of [2, 5, 8]) {
  test(`${count} writers with an actor each hardly ever plan a commit anew`, async () => {
    const writers = await writersOf(count);
    const rounds = await appendTogether(writers, (writer) => `actor ${writer}`);
    for (const [round, receipts] of rounds.entries()) {
      for (const { sequenceNumber } of receipts) assert.equal(sequenceNumber, round);
    }
    const positions = rounds.flat().map(({ position }) => position).sort((a, b) => a - b);
    assert.deepEqual(positions, range(1, count * ROUNDS));
    // Each conflicts at first, until enough positions are tried.
    const conflicts = await conflictsOf(writers);
    assert.ok(conflicts <= 0.1 * count * ROUNDS, `${conflicts} conflicts`);
    for (const { journal } of writers) {
      assert.equal((await journal.readFrom("actor 0", 0)).length, ROUNDS);
    }
  });
}

test("writers of the same actor follow the log before each commit", async () => {
  const writers = await writersOf(3);
  const rounds = await appendTogether(writers, () => "actor");
  const numbers = rounds.flat().map(({ sequenceNumber }) => sequenceNumber).sort((a, b) => a - b);
  assert.deepEqual(numbers, range(0, 3 * ROUNDS - 1));
  assert.ok(await conflictsOf(writers) > ROUNDS);
});

test("what cannot stand at another position is tried at one: new journals, truncations, resets", async () => {
  const writers = await writersOf(2);
  await appendTogether(writers, (writer) => `actor ${writer}`);
  const [one, other] = writers;
  assert.ok(one && other);
  for (let round = 0; round < 20; round++) {
    await Promise.all([
      one.journal.append(`new ${round}`, round),
      other.journal.truncateBefore("actor 1", ROUNDS - 20 + round),
      one.provider.deleteActor("actor 0"),
      other.journal.append("actor 1", round),
      one.journal.append("actor 0", round),
    ]);
    assert.equal(await other.journal.getHighestSequenceNumber(`new ${round}`), 0);
    assert.deepEqual((await other.journal.readFrom("actor 0", 0)).length, 1);
    const left: JournalEntry<number>[] = await one.journal.readFrom("actor 1", 0);
    assert.equal(left[0]?.sequenceNumber, ROUNDS - 20 + round);
  }
});
