import assert from "node:assert/strict";
import type { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf } from "../fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  gate,
  journalOf,
  KIND,
  log,
  openOn,
  Problems,
  settled,
  snapshotsOf,
  startAllOn,
  startOn,
  withActors,
  withStore,
} from "./fixture.ts";

const MODES = ["deleteActor", "eraseActor"] as const;
const SOURCINGS = ["events", "commands"] as const;
const OF_KIND = { kind: KIND };

/** Registers the cases about actors that are deleted or erased while they are in memory. */
export function describeRemoved(options: ConformanceOptions): void {
  const check = casesOf(options, "actor removed", withActors);

  for (const mode of MODES) {
    for (const sourcing of SOURCINGS) {
      for (const by of ["itself", "another process"]) {
        check(`${sourcing}, ${mode} by ${by}: what it appends next begins anew`, async (
          provider,
          storage,
        ) => {
          await using other = await openOn(storage);
          await using adders = addersOf(provider, sourcing);
          for (const text of ["1", "2", "3"]) await adders.add(text);
          await (by === "itself" ? provider : other)[mode]("a", OF_KIND);
          assert.deepEqual(await Promise.all(["4", "5"].map(adders.add)), [["4"], ["4", "5"]]);
          assert.deepEqual(await adders.add("6"), ["4", "5", "6"]);
          await adders.leave();
          assert.deepEqual(await adders.add("7"), ["4", "5", "6", "7"], "so does a recovery");
          // There may be none: what was being saved when the actor was removed is not stored.
          const snapshot = await snapshotsOf(provider).getLatestSnapshot("a");
          const saved = JSON.stringify(snapshot?.state ?? null);
          assert.ok(!saved.includes("1"), "nor is it in a snapshot");
          const { entries } = await journalOf(provider).read("a");
          assert.deepEqual(
            entries.map(({ sequenceNumber }) => sequenceNumber),
            mode === "deleteActor" ? [0, 1, 2, 3] : [3, 4, 5, 6],
          );
        });
      }
    }

    check(`${mode}: a state that is being saved meanwhile is not stored`, async (provider) => {
      const { opened, open } = gate();
      const slow = withStore(provider, (store) => ({
        async saveState(...args) {
          await opened;
          await store.saveState(...args);
        },
      }));
      const problems = new Problems();
      const actor = startOn(slow, account, {
        snapshotPolicy: { everyMessages: 2 },
        onProblem: problems.onProblem,
      });
      await actor.ask({ type: "add", amounts: [1, 2] });
      await provider[mode]("a", OF_KIND);
      open();
      await settled(actor);
      assert.deepEqual(problems.types, ["snapshot"]);
      assert.equal(await snapshotsOf(provider).getLatestSnapshot("a"), undefined);
      await actor.stop();
      await using again = startOn(provider, account);
      assert.deepEqual(await again.ask({ type: "add", amounts: [3] }), [3]);
    });

    check(`${mode}: no marks of it are left when it stops`, async (provider) => {
      const actor = startOn(provider, log());
      for (const text of ["1", "2", "3"]) await actor.ask({ text });
      await provider[mode]("a", OF_KIND);
      await actor.stop();
      await using store = provider.createActorStore(OF_KIND);
      assert.deepEqual(await store.readMarks("a"), { handled: -1, refused: [] });
    });
  }
}

/** Adds texts to an actor of either sourcing, and lets it leave memory. */
interface Adders extends AsyncDisposable {
  readonly add: (text: string) => Promise<string[]>;
  readonly leave: () => Promise<void>;
}

function addersOf(provider: PersistenceProvider, sourcing: "events" | "commands"): Adders {
  const options = { snapshotPolicy: { everyMessages: 2 } };
  if (sourcing === "commands") {
    const actors = startAllOn(provider, log(), options);
    return addersOn(actors, (text) => actors.ask("a", { text }));
  }
  const actors = startAllOn(provider, account, options);
  return addersOn(actors, async (text) => {
    const amounts = await actors.ask("a", { type: "add", amounts: [Number(text)] });
    return amounts.map(String);
  });
}

function addersOn<State, Message, Reply>(
  actors: StatefulActors<State, Message, Reply>,
  add: (text: string) => Promise<string[]>,
): Adders {
  return {
    add,
    leave: () => actors.passivate("a"),
    [Symbol.asyncDispose]: () => actors.stop(),
  };
}
