import assert from "node:assert/strict";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import {
  assertRemoved,
  everythingOf,
  failure,
  FEW,
  fill,
  filled,
  interrupt,
  keysIn,
  KIND,
  MANY,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
  storeOf,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const MAX_CHANGES = 512;

/** What finishes a removal that was interrupted, and what is then there of the actor. */
interface Finisher {
  readonly name: string;
  readonly run: (provider: PersistenceProvider, next: number) => Promise<unknown>;
  /** What differs from an actor of which nothing is left. */
  readonly leaves: (next: number) => Record<string, unknown>;
}

const FINISHERS: readonly Finisher[] = [
  {
    name: "an append",
    run: (provider) => provider.createMessageJournal(OF_KIND).append("a", "new"),
    leaves: (next) => ({
      entries: [[next, "new"]],
      highest: next,
      infos: [{
        kind: KIND,
        actorId: "a",
        lowestSequenceNumber: next,
        highestSequenceNumber: next,
      }],
    }),
  },
  {
    name: "a snapshot",
    run: (provider) => storeOf(provider).snapshots.saveSnapshot("a", "new", 3),
    leaves: (next) => ({
      snapshots: [3],
      state: "new",
      infos: [{
        kind: KIND,
        actorId: "a",
        lowestSequenceNumber: next,
        highestSequenceNumber: next - 1,
        newestSnapshot: 3,
      }],
    }),
  },
  {
    name: "a consumer",
    run: (provider) => provider.createConsumerRegistry(OF_KIND).register("a", "new", 1),
    leaves: () => ({ consumers: [["new", 1]] }),
  },
  {
    name: "a mark",
    run: (provider) => storeOf(provider).writeMarks("a", { handled: 9 }),
    leaves: () => ({ marks: { handled: 9, refused: [] } }),
  },
  {
    name: "an effect",
    run: async (provider, next) => {
      const store = storeOf(provider);
      await store.append("a", [store.prepareEntries("a", [], { effects: ["new"] })], next);
      const [one] = (await store.outbox.open({ actorId: "a", limit: 1 })).effects;
      await store.outbox.bury(one ?? assert.fail(), 1, "given up");
      await store.outbox.drop(one ?? assert.fail());
    },
    leaves: () => ({}),
  },
  {
    name: "a start of the journal",
    run: (provider) => provider.createMessageJournal(OF_KIND).startAt("a", 500),
    leaves: () => ({
      lowest: 500,
      highest: 499,
      infos: [{
        kind: KIND,
        actorId: "a",
        lowestSequenceNumber: 500,
        highestSequenceNumber: 499,
      }],
    }),
  },
];

/** Registers the cases about removals that are interrupted. */
export function describeRemovalSteps(options: ConformanceOptions): void {
  const check = casesOf(options, "removal steps", withStorage);

  for (const mode of MODES) {
    check(`of many records it takes bounded steps (${mode})`, async (inner) => {
      const { storage, provider } = await filled(inner, MANY);
      const steps: number[] = [];
      storage.failCommit = (groups) => {
        steps.push(groups.flatMap(({ changes }) => changes).length);
        return undefined;
      };
      await remove(provider, mode);
      assert.ok(steps.length >= 4, `${steps.length} steps`);
      for (const size of steps) assert.ok(size <= MAX_CHANGES + 2, `${size} changes in one commit`);
    });

    for (const [name, amounts] of [["few", FEW], ["many", MANY]] as const) {
      check(
        `if a commit fails an actor with ${name} records is whole or empty, and the next call finishes it (${mode})`,
        async (inner) => {
          const { provider: first, storage, before } = await filled(inner, amounts);
          const whole = await everythingOf(first);
          const next = mode === "delete" ? 0 : Number(whole["highest"]) + 1;
          let provider = first;
          for (let step = 0;; step++) {
            const keys = await keysIn(inner);
            const isDone = await interrupt(storage, provider, mode, step === 0 ? 0 : 1);
            // As after a crash: nobody knows more than what is stored.
            provider = await openOn(storage);
            const empty = nothing(next);
            assert.deepEqual(await everythingOf(provider), step === 0 ? whole : empty);
            assert.deepEqual(await everythingOf(first), step === 0 ? whole : empty);
            if (isDone) break;
            if (step > 1) assert.ok(await keysIn(inner) < keys, "each call has removed something");
          }
          await assertRemoved(inner, before, mode);
        },
      );
    }

    for (const { name, run, leaves } of FINISHERS) {
      check(`what was interrupted is finished by ${name} of another process (${mode})`, async (
        inner,
      ) => {
        const { provider, storage, before } = await filled(inner, FEW);
        const highest = Number((await everythingOf(provider))["highest"]);
        const next = mode === "delete" ? 0 : highest + 1;
        for (const writer of [await openOn(storage), provider]) {
          assert.equal(await interrupt(storage, provider, mode, 1), false);
          await run(writer, next);
          assert.deepEqual(await everythingOf(provider), { ...nothing(next), ...leaves(next) });
          // What it has written is all that there is.
          await provider.deleteActor("a", OF_KIND);
          await assertRemoved(inner, before, "delete");
          await fill(provider, FEW);
        }
      });
    }

    check(`the other way to remove may finish what was interrupted (${mode})`, async (inner) => {
      const { provider, storage, before } = await filled(inner, FEW);
      const highest = Number((await everythingOf(provider))["highest"]);
      const other = mode === "delete" ? "erase" : "delete";
      assert.equal(await interrupt(storage, provider, mode, 1), false);
      await remove(await openOn(storage), other);
      // A deletion that has begun has forgotten the numbering.
      assert.deepEqual(await everythingOf(provider), nothing());
      await assertRemoved(inner, before, "delete");
      assert.ok(highest > 0);
    });
  }

  check("appends that wait while another process removes are not lost", async (inner) => {
    const { provider, storage } = await filled(inner, MANY);
    const other = await openOn(storage);
    assert.equal(await interrupt(storage, provider, "delete", 1), false);
    const journal = other.createMessageJournal<unknown>(OF_KIND);
    const numbers = await Promise.all([
      ...range(0, 9).map((number) => journal.append("a", number)),
      ...range(0, 2).map((number) => journal.append("b", number)),
    ]);
    assert.deepEqual(numbers, [...range(0, 9), ...range(0, 2)]);
    assert.deepEqual((await journal.readFrom("a", 0)).map(({ message }) => message), range(0, 9));
  });

  check("if what was interrupted cannot be finished an append fails, and later works", async (
    inner,
  ) => {
    const { provider, storage } = await filled(inner, FEW);
    assert.equal(await interrupt(storage, provider, "delete", 1), false);
    const other = await openOn(storage);
    const journal = other.createMessageJournal<unknown>(OF_KIND);
    storage.failCommit = () => failure();
    const details = { actorId: "a", kind: KIND };
    const failed = [journal.append("a", 1), journal.append("a", 2), journal.truncateBefore("a", 1)];
    for (const call of failed) await assertFails(() => call, "STORAGE_FAILED", details);
    const snapshots = other.createSnapshotStore(OF_KIND);
    await assertFails(() => snapshots.saveSnapshot("a", 1, 1), "STORAGE_FAILED", details);
    storage.failCommit = () => undefined;
    assert.equal(await journal.append("a", 3), 0);
    await other.close();
  });
}
