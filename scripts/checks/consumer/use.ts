// What a user of the installed package writes: every subpath is imported and used. It is compiled
// with the user's compiler settings, and runs on Node, Bun and Deno.
import {
  type Codec,
  commandSourced,
  type JournalEntry,
  JsonCodec,
  PersistenceError,
  PersistenceProvider,
  type Storage,
} from "@cajun/persistence";
import { LmdbPersistenceProvider as OnBun } from "@cajun/persistence/bun";
import { describeStorage, type OpenStorageOptions } from "@cajun/persistence/conformance";
import { LmdbPersistenceProvider as OnDeno } from "@cajun/persistence/deno";
import { LmdbEnvironmentManager, LmdbStorage } from "@cajun/persistence/lmdb";
import {
  MemoryDatabase,
  MemoryPersistenceProvider,
  MemoryStorage,
} from "@cajun/persistence/memory";
import { MsgpackrCodec } from "@cajun/persistence/msgpackr";
import { LmdbPersistenceProvider as OnNode } from "@cajun/persistence/node";
import { behaviorTest, TestDatabase } from "@cajun/persistence/testing";

interface Message {
  text: string;
}

const codecs: readonly (Codec | undefined)[] = [undefined, new JsonCodec(), new MsgpackrCodec()];
for (const codec of codecs) {
  const options = codec === undefined ? {} : { codec };
  await useProvider(() => MemoryPersistenceProvider.open(options));
  for (const entryPoint of [OnNode, OnBun, OnDeno]) {
    const path = `./data-${crypto.randomUUID()}`;
    await useProvider(() => entryPoint.open({ path, ...options }));
  }
}
const environment = await LmdbEnvironmentManager.open({ path: `./data-${crypto.randomUUID()}` });
await useStorage(new LmdbStorage(environment));
await useStorage(await MemoryStorage.open());
await runConformanceSuite();
await useProvider(() => new TestDatabase().open());
const sum = commandSourced({
  initialState: 0,
  handle: (sum: number, add: number) => ({ state: sum + add }),
});
await behaviorTest(sum).given(1).when(2).thenState(3);

async function useProvider(open: () => Promise<PersistenceProvider>): Promise<void> {
  await using provider = await open();
  const journal = provider.createMessageJournal<Message>({ actorId: "greeter" });
  await journal.append("greeter", { text: "hello" });
  const entries: JournalEntry<Message>[] = await journal.readFrom("greeter", 0);
  expect(entries[0]?.message.text === "hello", "the message comes back");
  try {
    await journal.append("greeter", { text: "again" }, { expectedSequenceNumber: 0 });
  } catch (error) {
    expect(error instanceof PersistenceError && error.code === "CONFLICT", String(error));
    return;
  }
  expect(false, "a wrong expectation is refused");
}

async function useStorage(storage: Storage): Promise<void> {
  const provider = await PersistenceProvider.openOn(storage);
  const snapshots = provider.createSnapshotStore<Message>();
  await snapshots.saveSnapshot("greeter", { text: "hello" }, 0);
  const latest = await snapshots.getLatestSnapshot("greeter");
  expect(latest?.state.text === "hello", "the state comes back");
  await provider.close();
}

async function runConformanceSuite(): Promise<void> {
  const cases: (() => Promise<void> | void)[] = [];
  const test = (_name: string, run: () => Promise<void> | void) => void cases.push(run);
  const supports = (await MemoryStorage.open()).supports;
  const createPlace = () => {
    const database = new MemoryDatabase();
    return Promise.resolve({
      openStorage: ({ readOnly = false, limitBytes }: OpenStorageOptions = {}) =>
        MemoryStorage.open({
          database,
          readOnly,
          ...(limitBytes !== undefined && { maxBytes: limitBytes }),
        }),
      cleanup: () => Promise.resolve(),
    });
  };
  describeStorage({
    test: Object.assign(test, { skip: () => {} }),
    factory: { supports, createPlace },
  });
  expect(cases.length > 0, "the suite has cases");
  for (const run of cases) await run();
}

function expect(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`Not so: ${what}`);
}
