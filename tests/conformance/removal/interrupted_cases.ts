import assert from "node:assert/strict";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { account, log, startAllOn } from "../actors/fixture.ts";
import { assertFails, casesOf, withStorage } from "../fixture.ts";
import type { ObservedStorage } from "../observed_storage.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import {
  everythingOf,
  failure,
  FEW,
  fill,
  filled,
  interrupt,
  KIND,
  MANY,
  type Mode,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
  storeOf,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** What a call is made with, after the removal of the actor was interrupted. */
interface Call {
  readonly provider: PersistenceProvider;
  /** The number of the next append. */
  readonly next: number;
  /** The number of the last entry before the removal, with which effects were decided. */
  readonly last: number;
}

/** A call after which nobody may find anything of the actor but what the call says itself. */
interface Write {
  readonly name: string;
  readonly run: (call: Call) => Promise<unknown>;
  /** What differs then from an actor of which nothing is left. */
  readonly leaves: (next: number) => Record<string, unknown>;
}

const entries = (next: number, ...messages: unknown[]) => ({
  entries: messages.map((message, index) => [next + index, message]),
  ...numbered(next, next + messages.length - 1),
});

const numbered = (lowest: number, highest: number) => ({
  lowest,
  highest,
  infos: [{
    kind: KIND,
    actorId: "a",
    lowestSequenceNumber: lowest,
    highestSequenceNumber: highest,
  }],
});

const NOTHING = () => ({});

const journalOf = (provider: PersistenceProvider) =>
  provider.createMessageJournal<unknown>(OF_KIND);

const WRITES: readonly Write[] = [
  {
    name: "an append that expects an empty journal",
    run: ({ provider }) =>
      journalOf(provider).append("a", "new", { expectedSequenceNumber: "empty" }),
    leaves: (next) => entries(next, "new"),
  },
  {
    name: "an append that expects its number",
    run: ({ provider, next }) =>
      journalOf(provider).append("a", "new", { expectedSequenceNumber: next }),
    leaves: (next) => entries(next, "new"),
  },
  {
    name: "an append that expects a journal, and is refused",
    run: ({ provider }) =>
      assertFails(
        () => journalOf(provider).append("a", "new", { expectedSequenceNumber: "exists" }),
        "CONFLICT",
      ),
    leaves: NOTHING,
  },
  {
    name: "a batch",
    run: ({ provider }) => journalOf(provider).appendBatch("a", ["one", "two"]),
    leaves: (next) => entries(next, "one", "two"),
  },
  {
    name: "an append to a batched journal",
    async run({ provider }) {
      await using journal = provider.createBatchedMessageJournal<unknown>(OF_KIND);
      await Promise.all([journal.append("a", "one"), journal.append("a", "two")]);
    },
    leaves: (next) => entries(next, "one", "two"),
  },
  {
    name: "a stream",
    async run({ provider }) {
      const writer = journalOf(provider).writable("a").getWriter();
      await writer.write("one");
      await writer.write("two");
      await writer.close();
    },
    leaves: (next) => entries(next, "one", "two"),
  },
  {
    name: "a start of the journal further on",
    run: ({ provider }) => journalOf(provider).startAt("a", 500),
    leaves: () => numbered(500, 499),
  },
  {
    name: "a start of the journal where it is",
    run: ({ provider, next }) => journalOf(provider).startAt("a", next),
    leaves: NOTHING,
  },
  {
    name: "a start of the journal and an append",
    run: ({ provider }) => {
      const journal = journalOf(provider);
      return Promise.all([journal.startAt("a", 500), journal.append("a", "new")]);
    },
    leaves: () => entries(500, "new"),
  },
  {
    name: "a truncation",
    run: ({ provider, last }) => journalOf(provider).truncateBefore("a", last),
    leaves: NOTHING,
  },
  {
    name: "a snapshot with an old number",
    run: ({ provider }) =>
      provider.createSnapshotStore<unknown>({ ...OF_KIND, keep: 1 }).saveSnapshot("a", "new", 1),
    leaves: (next) => snapshot(1, next),
  },
  {
    name: "a snapshot that was encoded",
    run({ provider }) {
      const store = storeOf(provider);
      return store.saveState("a", store.prepareState("a", "new"), 7);
    },
    leaves: (next) => snapshot(7, next),
  },
  {
    name: "a deletion of snapshots",
    run: ({ provider }) => provider.createSnapshotStore(OF_KIND).deleteSnapshots("a"),
    leaves: NOTHING,
  },
  {
    name: "a consumer that was registered before",
    run: ({ provider }) => provider.createConsumerRegistry(OF_KIND).register("a", "reports", 2),
    leaves: () => ({ consumers: [["reports", 2]] }),
  },
  {
    name: "the end of a consumer",
    run: ({ provider }) => provider.createConsumerRegistry(OF_KIND).unregister("a", "reports"),
    leaves: NOTHING,
  },
  {
    name: "marks with an effect",
    run({ provider, next }) {
      const store = storeOf(provider);
      const { effects } = store.prepareEntries("a", [], { effects: ["new"] });
      const refused = [next + 2];
      return store.writeMarks("a", { handled: 4, refused, effects: new Map([[3, effects]]) });
    },
    leaves: (next) => ({
      marks: { handled: 4, refused: [next + 2] },
      open: [[3, 0, "new"]],
      counts: { open: 1, dead: 0 },
    }),
  },
  {
    name: "an entry with effects",
    run({ provider, next }) {
      const store = storeOf(provider);
      return store.append("a", [store.prepareEntries("a", ["new"], { effects: ["b", "c"] })], next);
    },
    leaves: (next) => ({
      ...entries(next, "new"),
      open: [[next, 0, "b"], [next, 1, "c"]],
      counts: { open: 2, dead: 0 },
    }),
  },
  {
    name: "a change of each effect that there was",
    async run({ provider, last: sequenceNumber }) {
      const { outbox } = storeOf(provider);
      const place = (index: number) => ({ actorId: "a", sequenceNumber, index });
      assert.equal(await outbox.drop(place(0)), false);
      await outbox.postpone(place(1), 1, new Date(0));
      await outbox.bury(place(1), 1, "given up");
      await outbox.confirm([place(2)]);
    },
    leaves: NOTHING,
  },
  {
    name: "another try for a dead letter that there was",
    async run({ provider, last: sequenceNumber }) {
      const place = { actorId: "a", sequenceNumber, index: 0 };
      assert.equal(await storeOf(provider).outbox.revive(place), undefined);
    },
    leaves: NOTHING,
  },
  {
    name: "an actor with event sourcing",
    async run({ provider }) {
      await using actors = startAllOn(provider, account, OF_KIND);
      assert.deepEqual(await actors.ask("a", { type: "add", amounts: [1, 2] }), [1, 2]);
    },
    leaves: (next) => entries(next, { add: 1 }, { add: 2 }),
  },
  {
    name: "an actor with command sourcing",
    async run({ provider }) {
      await using actors = startAllOn(provider, log(), OF_KIND);
      assert.deepEqual(await actors.ask("a", { text: "one" }), ["one"]);
      await assert.rejects(actors.ask("a", { text: "two", fail: true }), /refused/);
    },
    leaves: (next) => ({
      ...entries(next, { text: "one" }, { text: "two", fail: true }),
      marks: { handled: next + 1, refused: [next + 1] },
    }),
  },
];

function snapshot(number: number, next: number): Record<string, unknown> {
  const [info] = numbered(next, next - 1).infos;
  return { snapshots: [number], state: "new", infos: [{ ...info, newestSnapshot: number }] };
}

/** An append that changes nothing, but reads the head. */
async function refused(provider: PersistenceProvider): Promise<void> {
  const call = () => journalOf(provider).append("a", 1, { expectedSequenceNumber: 999 });
  await assertFails(call, "CONFLICT");
}

/** Who finishes what was interrupted, if that was not done yet. */
const LATER: readonly ((provider: PersistenceProvider) => Promise<unknown>)[] = [
  (provider) => provider.createConsumerRegistry(OF_KIND).unregister("a", "nobody"),
  (provider) => journalOf(provider).truncateBefore("a", 0),
  refused,
  (provider) => storeOf(provider).outbox.confirm([{ actorId: "a", sequenceNumber: 9, index: 9 }]),
];

/** Registers the cases about calls that meet a removal that was interrupted. */
export function describeInterruptedRemovals(options: ConformanceOptions): void {
  const check = casesOf(options, "interrupted removal", withStorage);

  for (const mode of MODES) {
    for (const { name, run, leaves } of WRITES) {
      check(`nothing is lost afterwards of ${name} (${mode})`, async (inner) => {
        const { provider, storage } = await filled(inner, FEW);
        const knowing = await openOn(storage);
        for (const later of LATER) {
          for (const writer of [await openOn(storage), provider, knowing]) {
            // It knows the head of the actor, as it is before the removal.
            await refused(knowing);
            const call = await interrupted(storage, provider, mode);
            await run({ ...call, provider: writer });
            const expected = { ...nothing(call.next), ...leaves(call.next) };
            assert.deepEqual(await everythingOf(writer), expected);
            const reopened = await openOn(storage);
            await later(reopened);
            assert.deepEqual(await everythingOf(reopened), expected);
            assert.deepEqual(await everythingOf(provider), expected);
            const next = Number(expected["highest"]) + 1;
            assert.equal(await journalOf(reopened).append("a", "next"), next);
            await reopened.deleteActor("a", OF_KIND);
            await fill(provider, FEW);
          }
        }
      });
    }

    check(`at whatever commit it is interrupted, what comes after it stays (${mode})`, async (
      inner,
    ) => {
      const { provider, storage } = await filled(inner, MANY);
      const knowing = await openOn(storage);
      for (let passing = 1;; passing++) {
        await refused(knowing);
        const isDone = await interrupt(storage, provider, mode, passing);
        const reopened = await openOn(storage);
        const start = 10_000 * passing;
        await journalOf(passing % 2 === 0 ? reopened : knowing).startAt("a", start);
        await reopened.createConsumerRegistry(OF_KIND).register("a", "new", start);
        await storeOf(knowing).snapshots.saveSnapshot("a", "new", start);
        for (const later of LATER) await later(await openOn(storage));
        assert.equal(await journalOf(reopened).append("a", "new"), start);
        assert.deepEqual(await everythingOf(knowing), {
          ...nothing(start),
          ...entries(start, "new"),
          consumers: [["new", start]],
          snapshots: [start],
          state: "new",
          infos: [{ ...numbered(start, start).infos[0], newestSnapshot: start }],
        });
        if (isDone) break;
        await provider.deleteActor("a", OF_KIND);
        await fill(provider, MANY);
      }
    });

    check(`it may be interrupted again and again, in both ways (${mode})`, async (inner) => {
      const { provider, storage } = await filled(inner, FEW);
      for (const second of MODES) {
        for (const third of MODES) {
          const { next } = await interrupted(storage, provider, mode);
          const modes = [mode, second, third];
          for (const again of [second, third]) {
            let commits = 0;
            storage.failCommit = () => commits++ === 0 ? undefined : failure();
            await remove(await openOn(storage), again).catch(() => {});
            storage.failCommit = () => undefined;
          }
          const expected = modes.includes("delete") ? 0 : next;
          const journal = journalOf(await openOn(storage));
          await journal.startAt("a", 500);
          assert.ok(expected <= next);
          assert.equal(await journal.append("a", "new"), 500);
          await remove(provider, "delete");
          await fill(provider, FEW);
        }
      }
    });

    check(`a start of the journal below its next number is refused (${mode})`, async (inner) => {
      const { provider, storage } = await filled(inner, FEW);
      const { next } = await interrupted(storage, provider, mode);
      const journal = journalOf(await openOn(storage));
      if (next > 0) await assertFails(() => journal.startAt("a", next - 1), "CONFLICT");
      assert.deepEqual(await everythingOf(provider), nothing(next));
    });

    check(`a start of the journal fails if it cannot be finished (${mode})`, async (inner) => {
      const { provider, storage } = await filled(inner, FEW);
      const { next } = await interrupted(storage, provider, mode);
      const journal = journalOf(await openOn(storage));
      storage.failCommit = () => failure();
      await assertFails(() => journal.startAt("a", 500), "STORAGE_FAILED", {
        actorId: "a",
        kind: KIND,
      });
      storage.failCommit = () => undefined;
      assert.deepEqual(await everythingOf(provider), nothing(next));
      await journal.startAt("a", 500);
      assert.equal(await journal.append("a", "new"), 500);
    });
  }

  check("damage in what was left does not matter", async (inner) => {
    const { provider, storage } = await filled(inner, FEW);
    for (const mode of MODES) {
      const { next } = await interrupted(storage, provider, mode);
      await damageRecords(storage);
      assert.deepEqual(await everythingOf(provider), nothing(next));
      await provider.createConsumerRegistry(OF_KIND).register("a", "new", 1);
      const expected = { ...nothing(next), consumers: [["new", 1]] };
      assert.deepEqual(await everythingOf(provider), expected);
      await provider.deleteActor("a", OF_KIND);
      await fill(provider, FEW);
    }
  });
}

/** Interrupts the removal of an actor after its first commit. */
async function interrupted(
  storage: ObservedStorage,
  provider: PersistenceProvider,
  mode: Mode,
): Promise<Omit<Call, "provider">> {
  const last = await journalOf(provider).getHighestSequenceNumber("a");
  assert.equal(await interrupt(storage, provider, mode, 1), false);
  return { last, next: mode === "delete" ? 0 : last + 1 };
}

/** Damages everything that is stored of the actor beside its head and the mark of its removal. */
async function damageRecords(storage: ObservedStorage): Promise<void> {
  for (const keyspace of ["meta", "entries", "snapshots", "outbox"] as const) {
    for (const { key, value, version } of await storage.scan(keyspace, EVERYTHING)) {
      const isOfActor = new TextDecoder().decode(key).includes(KIND);
      if (!isOfActor || (keyspace === "meta" && key[0] === 5)) continue;
      const change = { type: "put", keyspace, key, value: value.map((byte) => byte ^ 1), version };
      await storage.commit([{ conditions: [], changes: [change as never] }]);
    }
  }
}
