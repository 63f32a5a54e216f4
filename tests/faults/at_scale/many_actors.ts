import assert from "node:assert/strict";
import { commandSourced } from "../../../core/actors/behavior.ts";
import { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { range } from "../../conformance/fixture.ts";
import type { Fault } from "../fault.ts";
import { checkAtScale } from "./at_scale.ts";

const MAX_AT_ONCE = 64;

/** However many actors there are, few are in memory, and fewer are recovered at a time. */
export const manyActors: Fault = {
  name: "many-actors",
  title: "Actors recovered all at once, and one after the other, with few in memory",
  unit: "actors",
  run: (options) =>
    checkAtScale({
      "they are asked at once, few are recovered at a time, and idle ones leave": askAll,
      "they are recovered one after the other with a bounded number in memory": recoverAll,
    }, options),
};

const sum = {
  initialState: { sum: 0 },
  isReadOnly: (message: number | "read") => message === "read",
  handle(state: { sum: number }, message: number | "read") {
    if (message !== "read") state.sum += message;
    return { state, reply: ({ sum }: { sum: number }) => sum };
  },
};

const KIND = "sum";

async function askAll(provider: PersistenceProvider, count: number): Promise<void> {
  const stored = provider.createMessageJournal<number | "read">({ kind: KIND });
  const ids = range(1, count).map((number) => `actor ${number}`);
  await Promise.all(ids.map((id, index) => stored.appendBatch(id, [index, 1, 2])));
  let underWay = 0;
  let most = 0;
  await using actors = StatefulActors.start({
    provider,
    kind: KIND,
    behavior: commandSourced({
      ...sum,
      // A recovery handles one message at a time, so this counts how many run side by side.
      async handle(state: { sum: number }, message: number | "read") {
        if (message !== "read") most = Math.max(most, ++underWay);
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (message !== "read") underWay--;
        return sum.handle(state, message);
      },
    }),
    maxActive: 500,
    passivateAfterMs: 20,
  });
  const sums = await Promise.all(ids.map((id) => actors.ask(id, "read")));
  assert.deepEqual(sums, ids.map((_, index) => index + 3));
  assert.ok(most > 1 && most <= MAX_AT_ONCE, `${most} at once`);
  while (actors.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await actors.ask("actor 7", 1), 10);
}

async function recoverAll(provider: PersistenceProvider, count: number): Promise<void> {
  const journal = provider.createMessageJournal<number | "read">({ kind: KIND });
  const ids = range(1, count).map((number) => `actor ${number}`);
  await Promise.all(ids.map((id, index) => journal.append(id, index)));
  const behavior = commandSourced(sum);
  await using actors = StatefulActors.start({ provider, kind: KIND, behavior, maxActive: 100 });
  let most = 0;
  const counts = await actors.recover(provider.actorIds({ kind: KIND }), {
    onProgress: () => void (most = Math.max(most, actors.active)),
  });
  assert.deepEqual(counts, { recovered: count, failed: 0 });
  assert.ok(most <= 100 + MAX_AT_ONCE, `${most} in memory`);
}
