import assert from "node:assert/strict";
import type { ActorStore, JournalIdentity } from "../../../core/ports/actor_store.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf, outcomesOf, range, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import type { ConformanceOptions } from "../types.ts";
import { KIND, openOn } from "./fixture.ts";

const OF_KIND = { kind: KIND };
const COUNT = 3;

type Store = ActorStore<unknown, unknown>;

/** What a store may write too late. */
const WRITES: Record<string, (store: Store, journal: JournalIdentity) => Promise<unknown>> = {
  "a snapshot": (store, journal) =>
    store.saveState("a", store.prepareState("a", range(1, COUNT)), COUNT - 1, journal),
  "marks": (store, journal) => store.writeMarks("a", { handled: COUNT - 1, refused: [1] }, journal),
  "entries": (store, journal) =>
    store.append("a", [store.prepareEntries("a", [4], { effects: [4] })], COUNT, journal),
};

/** Registers the cases about what belongs to an actor that another process removes meanwhile. */
export function describeLateWrites(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "late writes", withStorage);

  for (const [what, write] of Object.entries(WRITES)) {
    for (const mode of ["deleteActor", "eraseActor"] as const) {
      for (const count of [0, 1, COUNT, COUNT + 1]) {
        onStorage(
          `${what} after ${mode} and ${count} new entries: nothing is stored`,
          async (inner) => {
            const storage = new ObservedStorage(inner);
            await using slow = await openOn(storage);
            await using other = await openOn(inner);
            const late = storeOf(slow);
            await late.journal.appendBatch("a", range(1, COUNT));
            const { incarnation, origin } = await late.journal.read("a", { limit: 0 });
            const release = storage.holdCommits();
            const written = outcomesOf([write(late, { incarnation, origin })]);
            await storage.commitHeld();
            await other[mode]("a", OF_KIND);
            const anew = storeOf(other);
            const numbers = range(11, 10 + count);
            if (count > 0) await anew.journal.appendBatch("a", numbers);
            release();
            assert.deepEqual(await written, [what === "marks" ? [] : "CONFLICT"]);
            assert.deepEqual(await anew.snapshots.listSnapshots("a"), []);
            assert.deepEqual(await anew.readMarks("a"), { handled: -1, refused: [] });
            const messages = (await anew.journal.readFrom("a", 0)).map(({ message }) => message);
            assert.deepEqual(messages, numbers);
            assert.equal((await anew.outbox.counts()).open, 0);
          },
        );
      }
    }
  }
}

function storeOf(provider: PersistenceProvider): Store {
  return provider.createActorStore(OF_KIND);
}
