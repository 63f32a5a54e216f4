import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { EffectPlace } from "../../../core/ports/outbox_store.ts";
import type { Keyspace, ScanRange, StoredEntry } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf, withStorage } from "../fixture.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import {
  everythingOf,
  FEW,
  fill,
  filled,
  interrupt,
  MANY,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
  storeOf,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const ALL = { actorId: "a", limit: 10_000 };

/** What reads something of an actor, and where that stands among everything. */
const READS: readonly {
  readonly name: string;
  readonly run: (provider: PersistenceProvider) => Promise<unknown>;
  readonly of: (everything: Record<string, unknown>) => unknown;
}[] = [
  {
    name: "the list of snapshots",
    run: (provider) => storeOf(provider).snapshots.listSnapshots("a"),
    of: ({ snapshots }) => snapshots,
  },
  {
    name: "the newest snapshot",
    run: async (provider) => (await storeOf(provider).snapshots.getLatestSnapshot("a"))?.state,
    of: ({ state }) => state,
  },
  {
    name: "the marks",
    run: (provider) => storeOf(provider).readMarks("a"),
    of: ({ marks }) => marks,
  },
  {
    name: "the consumers",
    run: async (provider) => [...await provider.createConsumerRegistry(OF_KIND).positions("a")],
    of: ({ consumers }) => consumers,
  },
  {
    name: "the journal",
    run: async (provider) => {
      const { entries } = await provider.createMessageJournal(OF_KIND).read("a");
      return entries.map(({ sequenceNumber, message }) => [sequenceNumber, message]);
    },
    of: ({ entries }) => entries,
  },
  {
    name: "the open effects",
    run: async (provider) => placesOf(await storeOf(provider).outbox.open(ALL)),
    of: ({ open }) => withoutContents(open),
  },
  {
    name: "the dead letters",
    run: async (provider) => placesOf(await storeOf(provider).outbox.deadLetters(ALL)),
    of: ({ dead }) => withoutContents(dead),
  },
];

function placesOf({ effects }: { readonly effects: readonly EffectPlace[] }): unknown[] {
  return effects.map(({ sequenceNumber, index }) => [sequenceNumber, index]);
}

function withoutContents(effects: unknown): unknown[] {
  return (effects as unknown[][]).map(([sequenceNumber, index]) => [sequenceNumber, index]);
}

/** A storage in which something happens before one of the reads. */
class MeanwhileStorage extends KeptOpenStorage {
  /** How many reads come before it. */
  left = Infinity;
  /** What happens. */
  meanwhile: () => Promise<unknown> = () => Promise.resolve();

  override async get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    if (this.left-- === 0) await this.meanwhile();
    return await super.get(keyspace, key);
  }

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    if (this.left-- === 0) await this.meanwhile();
    return await super.scan(keyspace, range);
  }
}

/** Registers the cases about reads between whose steps a removal begins or ends. */
export function describeRemovalMeanwhile(options: ConformanceOptions): void {
  const check = casesOf(options, "removal meanwhile", withStorage);

  for (const mode of MODES) {
    for (const { name, run, of } of READS) {
      check(`what is left does not come to light when a removal ends: ${name} (${mode})`, async (
        inner,
      ) => {
        const { provider, storage } = await filled(inner, FEW);
        for (let reads = 0, isOver = false; !isOver; reads++) {
          const next = mode === "delete"
            ? 0
            : Number((await everythingOf(provider))["highest"]) + 1;
          assert.equal(await interrupt(storage, provider, mode, 1), false);
          const reading = new MeanwhileStorage(inner);
          const reader = await PersistenceProvider.openOn(reading);
          reading.meanwhile = async () => remove(await openOn(inner), mode);
          reading.left = reads;
          assert.deepEqual(await run(reader), of(nothing(next)), `after ${reads} reads`);
          isOver = reading.left >= 0;
          await provider.deleteActor("a", OF_KIND);
          await fill(provider, FEW);
        }
      });

      check(`an actor is seen whole, or not at all, by one call: ${name} (${mode})`, async (
        inner,
      ) => {
        const provider = await openOn(inner);
        for (let reads = 0, isOver = false; !isOver; reads++) {
          await fill(provider, MANY);
          const everything = await everythingOf(provider);
          const next = mode === "delete" ? 0 : Number(everything["highest"]) + 1;
          const reading = new MeanwhileStorage(inner);
          const reader = await PersistenceProvider.openOn(reading);
          reading.meanwhile = async () => remove(await openOn(inner), mode);
          reading.left = reads;
          const found = await run(reader).catch((error) => error.code);
          isOver = reading.left >= 0;
          const isWhole = isDeepStrictEqual(found, of(everything));
          // One who has read a part is told.
          if (!isWhole && found !== "TRUNCATED") {
            assert.deepEqual(found, of(nothing(next)), `after ${reads} reads`);
          }
          await provider.deleteActor("a", OF_KIND);
        }
      });
    }
  }
}
