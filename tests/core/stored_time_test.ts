import assert from "node:assert/strict";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import { eventSourced, PersistenceProvider, StatefulActors } from "../../mod.ts";
import { storedTime } from "../../core/util/stored_time.ts";
import { ManualClock } from "../conformance/manual_clock.ts";
import { test } from "../harness.ts";

const LAST = 8_640_000_000_000_000;
const CASES: readonly (readonly [clock: number, stored: number])[] = [
  [NaN, 0],
  [-1, 0],
  [-Infinity, 0],
  [Infinity, LAST],
  [2 ** 53, LAST],
  [1e300, LAST],
  [LAST, LAST],
  [1.5, 1],
  [0, 0],
];

class WrongClock extends ManualClock {
  readonly #timeMs: number;

  constructor(timeMs: number) {
    super();
    this.#timeMs = timeMs;
  }

  override now(): number {
    return this.#timeMs;
  }
}

for (const [time, stored] of CASES) {
  test(`a clock that says ${time}: what is written can be read`, async () => {
    assert.equal(storedTime(time), stored);
    const database = new MemoryDatabase();
    const open = async () =>
      await PersistenceProvider.openOn(await MemoryStorage.open({ database }), {
        runtime: { clock: new WrongClock(time) },
      });
    {
      await using provider = await open();
      const journal = provider.createMessageJournal<number>();
      const { timestamp } = await journal.append("a", 1, { receipt: true });
      assert.equal(timestamp.getTime(), stored);
      await journal.appendBatch("a", [2, 3]);
      await provider.createSnapshotStore<number>().saveSnapshot("a", 6, 2);
    }
    await using provider = await open();
    const journal = provider.createMessageJournal<number>();
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(
      entries.map(({ message, timestamp }) => [message, timestamp.getTime()]),
      [1, 2, 3].map((message) => [message, stored]),
    );
    const snapshot = await provider.createSnapshotStore<number>().getLatestSnapshot("a");
    assert.deepEqual([snapshot?.state, snapshot?.timestamp.getTime()], [6, stored]);
  });
}

for (const time of [NaN, -1, 2 ** 53, Infinity]) {
  test(`Date.now() says ${time}: effects are stored and delivered, once each`, async () => {
    const now = Date.now;
    const seen: unknown[] = [];
    const database = new MemoryDatabase();
    Date.now = () => time;
    try {
      for (const life of [1, 2]) {
        await using provider = await PersistenceProvider.openOn(
          await MemoryStorage.open({ database }),
        );
        // Effects without an event have their place by the time.
        const behavior = eventSourced({
          initialState: 0,
          handle: (_state: number, command: number) => ({
            events: command === 0 ? [] : [command],
            effects: [`${life}: ${command}`],
          }),
          apply: (state: number, event: number) => state + event,
        });
        const outbox = { deliver: (effect: string) => void seen.push(effect) };
        await using actors = StatefulActors.start({ provider, kind: "cart", behavior, outbox });
        for (const command of [0, 1, 0, 0]) await actors.tell("a", command);
        await actors.outbox.drained();
      }
    } finally {
      Date.now = now;
    }
    assert.deepEqual(
      seen.toSorted(),
      [1, 2].flatMap((life) => [`${life}: 0`, `${life}: 0`, `${life}: 0`, `${life}: 1`]),
    );
  });
}
