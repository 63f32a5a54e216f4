import assert from "node:assert/strict";
import { eventSourced } from "../../../core/actors/behavior.ts";
import { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import { assertFails, assertRefused, casesOf, withProvider } from "../fixture.ts";
import { bad } from "../ids.ts";
import type { ConformanceOptions } from "../types.ts";

interface Added {
  readonly added: number;
}

const adding = eventSourced({
  initialState: 0,
  handle: (_sum: number, amount: number) => ({ events: [{ added: amount }] }),
  apply: (sum: number, { added }: Added) => sum + added,
});

/** Registers the cases about following what an actor of a set journals. */
export function describeActorFollowing(options: ConformanceOptions): void {
  const check = casesOf(options, "actors", withProvider());

  check("what one journals can be followed, and it need not be in memory", async (provider) => {
    await using sums = StatefulActors.start({ provider, kind: "sum", behavior: adding });
    await using others = StatefulActors.start({ provider, kind: "other", behavior: adding });
    await sums.tell("a", 1);
    await sums.passivate("a");
    await others.tell("a", 100);
    const seen: unknown[] = [];
    for await (const { sequenceNumber, message } of sums.follow<Added>("a", 0)) {
      seen.push([sequenceNumber, message.added]);
      if (message.added === 1) {
        assert.equal(sums.active, 0);
        void sums.tell("b", 7);
        void sums.tell("a", 2);
      }
      if (message.added === 2) break;
    }
    assert.deepEqual(seen, [[0, 1], [1, 2]]);
  });

  check("when the actors stop, following ends with CLOSED", async (provider) => {
    const sums = StatefulActors.start({ provider, kind: "sum", behavior: adding });
    await sums.tell("a", 1);
    const entries = sums.follow<Added>("a", 1)[Symbol.asyncIterator]();
    const closed = assertFails(() => entries.next(), "CLOSED");
    await sums.stop();
    await closed;
  });

  check("what is refused is refused by the iteration", async (provider) => {
    await using sums = StatefulActors.start({ provider, kind: "sum", behavior: adding });
    const first = (actorId: string, from: number, more: object) => () =>
      sums.follow(actorId, from, more)[Symbol.asyncIterator]().next();
    await assertRefused(first("", 0, {}), "range");
    await assertRefused(first("a", 0.5, {}), "range");
    await assertRefused(first("a", bad("0"), {}), "type");
    await assertRefused(first("a", 0, { pollMs: 0 }), "range");
    await assertRefused(first("a", 0, { polMs: 1 }), "type");
  });
}
