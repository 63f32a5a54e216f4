import assert from "node:assert/strict";
import { recover } from "../../../core/actors/recovery.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import { assertFails, casesOf, range, withProvider, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { fill, MANY, type Mode, MODES, OF_KIND, openOn, remove } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const LONG = "x".repeat(33_000);

/** So many entries of that length that a reader cannot have read them all ahead. */
const LONG_ENTRIES = 60;

/** Registers the cases about those who read an actor while it is removed. */
export function describeRemovalReaders(options: ConformanceOptions): void {
  const check = casesOf(options, "removal readers", withProvider());

  for (const mode of MODES) {
    for (const reverse of [false, true]) {
      const name = reverse ? "from its end" : "from its beginning";
      check(`a reader in the midst of the journal, ${name}, gets TRUNCATED (${mode})`, async (
        provider,
      ) => {
        const journal = provider.createMessageJournal<string>(OF_KIND);
        for (const renewed of [0, 1, LONG_ENTRIES / 2, 2 * LONG_ENTRIES]) {
          await journal.appendBatch("a", oldEntries());
          const seen: string[] = [];
          const consume = async () => {
            for await (const { message } of journal.replay("a", 0, { reverse })) {
              seen.push(message.slice(0, 3));
              if (seen.length > 1) continue;
              await remove(provider, mode);
              await journal.appendBatch("a", range(1, renewed).map(() => `new ${LONG}`));
            }
          };
          await assertFails(consume, "TRUNCATED", { actorId: "a", kind: "cart" });
          assert.ok(seen.length < LONG_ENTRIES && seen.every((text) => text === "old"));
          assert.equal((await journal.readFrom("a", 0)).length, renewed);
          await provider.deleteActor("a", OF_KIND);
        }
      });
    }

    check(`a reader that has read nothing yet reads what is there now (${mode})`, async (
      provider,
    ) => {
      const journal = provider.createMessageJournal<string>(OF_KIND);
      await journal.appendBatch("a", ["old", "old"]);
      const entries = journal.replay("a", 0)[Symbol.asyncIterator]();
      await remove(provider, mode);
      await journal.append("a", "new");
      assert.equal((await entries.next()).value?.message, "new");
    });

    check(`a follower gets TRUNCATED, waiting or not (${mode})`, async (provider) => {
      const journal = provider.createMessageJournal<string>(OF_KIND);
      await journal.appendBatch("a", ["0", "1", "2"]);
      const follow = (from: number) => journal.follow("a", from)[Symbol.asyncIterator]();
      const [behind, waiting] = [follow(0), follow(3)];
      const next = waiting.next();
      // It must have seen the journal.
      assert.equal((await follow(2).next()).value?.message, "2");
      await new Promise((resolve) => setTimeout(resolve, 0));
      await remove(provider, mode);
      if (mode === "delete") {
        await assertFails(() => next, "TRUNCATED", { actorId: "a", sequenceNumber: 3 });
        await journal.appendBatch("a", range(0, 9).map(String));
      } else {
        await journal.append("a", "3");
        assert.equal((await next).value?.message, "3", "it has missed nothing");
      }
      // It has never looked, so there is nothing that it could have missed.
      const first = (await behind.next()).value;
      assert.equal(first?.sequenceNumber, mode === "delete" ? 0 : 3);
      await remove(provider, "delete");
      await assertFails(() => take(behind, 20), "TRUNCATED", { actorId: "a" });
    });

    check(`a list of actors goes on (${mode})`, async (provider) => {
      const journal = provider.createMessageJournal<string>(OF_KIND);
      const ids = range(0, 599).map((index) => `${index}`.padStart(3, "0"));
      await Promise.all(ids.map((id) => journal.append(id, "x")));
      const seen: string[] = [];
      for await (const { actorId } of provider.actors(OF_KIND)) {
        seen.push(actorId);
        if (actorId !== "100") continue;
        await Promise.all(["050", "100", "550"].map((id) => remove(provider, mode, id)));
      }
      assert.deepEqual(seen, ids.filter((id) => id !== "550" || mode === "erase"));
    });
  }

  describeRecoveryMeanwhile(options);
  describeInterruption(options);
}

function describeInterruption(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "removal readers", withStorage);

  for (const mode of MODES) {
    onStorage(`a reader in the midst of what is half removed gets TRUNCATED (${mode})`, async (
      inner,
    ) => {
      const storage = new ObservedStorage(inner);
      const provider = await openOn(storage);
      await fill(provider, MANY);
      const journal = provider.createMessageJournal<unknown>(OF_KIND);
      const numbers: number[] = [];
      const consume = async () => {
        for await (const { sequenceNumber } of journal.replay("a", 0)) {
          numbers.push(sequenceNumber);
          if (numbers.length > 1) continue;
          // The first step says that all is gone, the second one removes the frames.
          let commits = 0;
          storage.failCommit = () => commits++ < 2 ? undefined : new Error("so wants the test");
          await assertFails(() => remove(provider, mode), "STORAGE_FAILED");
        }
      };
      await assertFails(consume, "TRUNCATED", { actorId: "a" });
      assert.ok(numbers.length < MANY.frames);
      storage.failCommit = () => undefined;
      await provider.close();
    });
  }
}

function oldEntries(): string[] {
  return range(1, LONG_ENTRIES).map((number) => `old ${number} ${LONG}`);
}

async function take(entries: AsyncIterator<unknown>, count: number): Promise<void> {
  for (const _ of range(1, count)) await entries.next();
}

function describeRecoveryMeanwhile(options: ConformanceOptions): void {
  const onStorage = casesOf(options, "removal readers", withStorage);

  /** Removes the actor at the given moment, and lets it begin anew with other messages. */
  const scenarios: Readonly<Record<string, "snapshot" | "entry" | "end">> = {
    "after its snapshot was loaded": "snapshot",
    "while it is replayed": "entry",
    "when it is nearly done": "end",
  };
  for (const [name, moment] of Object.entries(scenarios)) {
    for (const mode of MODES) {
      onStorage(`a recovery never mixes the old actor and the new one: ${name} (${mode})`, async (
        storage,
      ) => {
        for (const renewed of [0, 1, 3, 20, 2 * LONG_ENTRIES]) {
          await recoverMeanwhile(moment, mode, renewed);
        }

        async function recoverMeanwhile(when: string, mode: Mode, renewed: number): Promise<void> {
          await using provider = await openOn(storage);
          const journal: MessageJournal<string> = provider.createMessageJournal<string>(OF_KIND);
          const snapshots = provider.createSnapshotStore<string[]>(OF_KIND);
          await journal.appendBatch("a", oldEntries());
          await snapshots.saveSnapshot("a", ["old snapshot"], 2);
          let isRemoved = false;
          const begin = async () => {
            if (isRemoved) return;
            isRemoved = true;
            await remove(provider, mode);
            await journal.appendBatch("a", range(1, renewed).map((number) => `new ${number}`));
          };
          const { state } = await recover<string[], string>({
            journal,
            snapshots: {
              getLatestSnapshot: async (...args) => {
                const found = await snapshots.getLatestSnapshot(...args);
                if (when === "snapshot") await begin();
                return found;
              },
            },
            actorId: "a",
            initialState: [],
            apply: async (state, message, { sequenceNumber }) => {
              if (when === "entry" && sequenceNumber === 5) await begin();
              if (when === "end" && sequenceNumber === LONG_ENTRIES - 1) await begin();
              return [...state, message.slice(0, 8)];
            },
          });
          assert.deepEqual(state, range(1, renewed).map((number) => `new ${number}`.slice(0, 8)));
          await provider.deleteActor("a", OF_KIND);
        }
      });
    }
  }
}
