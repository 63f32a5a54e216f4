import assert from "node:assert/strict";
import { commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import { recover } from "../../../core/actors/recovery.ts";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import type { StatefulActors } from "../../../core/actors/stateful_actors.ts";
import { ArgumentTypeError } from "../../../core/errors/persistence_error.ts";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import {
  account,
  type Amounts,
  type Command,
  type Event,
  startAllOn,
  startOn,
} from "../actors/fixture.ts";
import {
  assertFails,
  casesOf,
  errorOf,
  type ProviderRun,
  withPlace,
  withProvider,
} from "../fixture.ts";
import { replayedOf } from "../journal/fixture.ts";
import { bytesOf, dump } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** An options bag of the public API. */
interface OptionsBag {
  /** Where it is passed. */
  readonly name: string;
  /** What stands before its names in messages. */
  readonly path?: string;
  /** Misspelt names, each with the one that must be named. */
  readonly misspelt: Readonly<Record<string, string>>;
  /** Passes more options beside those that are needed, and undoes what must not stay. */
  call(provider: PersistenceProvider, more: object): unknown;
}

const BAGS: readonly OptionsBag[] = [
  {
    name: "health",
    misspelt: { timeoutMS: "timeoutMs", maxWriteMS: "maxWriteMs" },
    call: (provider, more) => provider.health(more),
  },
  {
    name: "append",
    misspelt: {
      expectedSequenceNumer: "expectedSequenceNumber",
      singal: "signal",
      recipt: "receipt",
    },
    call: (provider, more) => provider.createMessageJournal().append("a", { add: 1 }, more),
  },
  {
    name: "appendBatch",
    misspelt: { ExpectedSequenceNumber: "expectedSequenceNumber" },
    call: (provider, more) => provider.createMessageJournal().appendBatch("a", [{ add: 1 }], more),
  },
  {
    name: "read",
    misspelt: { frm: "from", Reverse: "reverse", tos: "to" },
    call: (provider, more) => provider.createMessageJournal().read("a", more),
  },
  {
    name: "readFrom",
    misspelt: { too: "to", limits: "limit", revers: "reverse" },
    call: (provider, more) => provider.createMessageJournal().readFrom("a", 0, more),
  },
  {
    name: "replay",
    misspelt: { signl: "signal" },
    call: (provider, more) => replayedOf(provider.createMessageJournal(), 0, more),
  },
  {
    name: "follow",
    misspelt: { sgnal: "signal", poll: "pollMs" },
    call: (provider, more) =>
      provider.createMessageJournal().follow("a", 0, more)[Symbol.asyncIterator]().next(),
  },
  {
    name: "readable",
    misspelt: { limt: "limit" },
    call: (provider, more) => provider.createMessageJournal().readable("a", 0, more).cancel(),
  },
  {
    name: "createMessageJournal",
    misspelt: { actorID: "actorId", shema: "schema", knd: "kind" },
    call: (provider, more) => provider.createMessageJournal(more),
  },
  {
    name: "createBatchedMessageJournal",
    misspelt: { batchSize: "maxBatchSize", maxBatchDelay: "maxBatchDelayMs", adaptiv: "adaptive" },
    call: (provider, more) => provider.createBatchedMessageJournal(more),
  },
  {
    name: "createSnapshotStore",
    misspelt: { kep: "keep", kinds: "kind" },
    call: (provider, more) => provider.createSnapshotStore(more),
  },
  {
    name: "createConsumerRegistry",
    misspelt: { kin: "kind" },
    call: (provider, more) => provider.createConsumerRegistry(more),
  },
  {
    name: "actorIds",
    misspelt: { Kind: "kind", prefx: "prefix", aftr: "after", frm: "from" },
    call: (provider, more) => provider.actorIds(more).next(),
  },
  {
    name: "actors",
    misspelt: { kin: "kind", prefixx: "prefix", From: "from" },
    call: (provider, more) => provider.actors(more).next(),
  },
  {
    name: "deleteActor",
    misspelt: { kid: "kind" },
    call: (provider, more) => provider.deleteActor("b", more),
  },
  {
    name: "eraseActor",
    misspelt: { Kind: "kind" },
    call: (provider, more) => provider.eraseActor("b", more),
  },
  {
    name: "schema of one type",
    path: "schema.",
    misspelt: { validater: "validator", upcaster: "upcasters", onUnkown: "onUnknown" },
    call: (provider, more) =>
      provider.createMessageJournal({ schema: { name: "note", version: 1, ...more } }),
  },
  {
    name: "schema of several types",
    path: "schema.",
    misspelt: { unversionned: "unversioned" },
    call: (provider, more) =>
      provider.createSnapshotStore({
        schema: { types: [{ name: "note", version: 1 }], typeOf: () => "note", ...more },
      }),
  },
  {
    name: "type of a schema",
    path: "schema.types[1].",
    misspelt: { upcatsers: "upcasters" },
    call: (provider, more) =>
      provider.createBatchedMessageJournal({
        schema: {
          types: [{ name: "note", version: 1 }, { name: "list", version: 1, ...more }],
          typeOf: () => "note",
        },
      }),
  },
  {
    name: "getLatestSnapshot",
    misspelt: { maxSequenceNumer: "maxSequenceNumber", sequenceNumber: "maxSequenceNumber" },
    call: (provider, more) => provider.createSnapshotStore().getLatestSnapshot("a", more),
  },
  {
    name: "deleteSnapshots",
    misspelt: { sequencNumber: "sequenceNumber", maxTimeStmp: "maxTimestamp" },
    call: (provider, more) => provider.createSnapshotStore().deleteSnapshots("a", more),
  },
  {
    name: "recover",
    misspelt: { snapshot: "snapshots", onProgres: "onProgress" },
    call: (provider, more) =>
      recover({
        journal: provider.createMessageJournal<Event>(),
        actorId: "a",
        initialState: [],
        apply: () => [],
        ...more,
      }),
  },
  {
    name: "StatefulActor",
    misspelt: {
      snapshotpolicy: "snapshotPolicy",
      supervison: "supervision",
      mailbx: "mailbox",
      knd: "kind",
      keepSnapshot: "keepSnapshots",
      messageShema: "messageSchema",
      stateschema: "stateSchema",
      debugg: "debug",
    },
    call: async (provider, more) => await start(provider, more).stop(),
  },
  {
    name: "stop",
    misspelt: { timeoutMS: "timeoutMs" },
    call: async (provider, more) => {
      await using actor = start(provider);
      await actor.stop(more);
    },
  },
  {
    name: "drained of an outbox",
    misspelt: { signl: "signal" },
    call: async (provider, more) => {
      await using actor = start(provider);
      await actor.outbox.drained(more);
    },
  },
  {
    name: "deadLetters of an outbox",
    misspelt: { actorid: "actorId" },
    call: async (provider, more) => {
      await using actor = start(provider);
      await actor.outbox.deadLetters(more).next();
    },
  },
  ...nested("mailbox", { maxMesages: "maxMessages" }),
  ...nested("snapshotPolicy", { everyMessage: "everyMessages", whn: "when" }),
  ...nested("retention", {
    keeplast: "keepLast",
    retainMessagesBehindSnapshot: "retainMessagesBeforeSnapshot",
  }),
  ...nested("retry", { maxRetires: "maxRetries", initialDelay: "initialDelayMs" }),
  ...nested("outbox", {
    concurency: "concurrency",
    timeout: "timeoutMs",
    maxAttemps: "maxAttempts",
    initialDelay: "initialDelayMs",
    maxDelay: "maxDelayMs",
  }, { deliver: () => {} }),
  {
    name: "ask",
    misspelt: { timeoutMS: "timeoutMs", signall: "signal", metdata: "metadata" },
    call: async (provider, more) => {
      await using actor = start(provider);
      await actor.ask({ type: "add", amounts: [1] }, more);
    },
  },
  {
    name: "tell",
    misspelt: { sgnal: "signal", metaData: "metadata" },
    call: async (provider, more) => {
      await using actor = start(provider);
      await actor.tell({ type: "add", amounts: [1] }, more);
    },
  },
  {
    name: "StatefulActors",
    misspelt: { maxActve: "maxActive", passivateAfter: "passivateAfterMs" },
    call: async (provider, more) => await startAll(provider, more).stop(),
  },
  {
    name: "ask of StatefulActors",
    misspelt: { timeOutMs: "timeoutMs" },
    call: async (provider, more) => {
      await using actors = startAll(provider);
      await actors.ask("a", { type: "add", amounts: [1] }, more);
    },
  },
  {
    name: "stop of StatefulActors",
    misspelt: { timeout: "timeoutMs" },
    call: async (provider, more) => {
      await using actors = startAll(provider);
      await actors.stop(more);
    },
  },
  {
    name: "recover of StatefulActors",
    misspelt: { onprogess: "onProgress" },
    call: async (provider, more) => {
      await using actors = startAll(provider);
      await actors.recover(["a"], more);
    },
  },
  {
    name: "RetentionSweep",
    misspelt: { interval: "intervalMs", keepLst: "keepLast", isSwep: "isSwept" },
    call: async (provider, more) => {
      await using _sweep = new RetentionSweep({ provider, ...more });
    },
  },
  {
    name: "run of RetentionSweep",
    misspelt: { signals: "signal" },
    call: async (provider, more) => {
      await using sweep = new RetentionSweep({ provider, retainMessagesBeforeSnapshot: 0 });
      await sweep.run(more);
    },
  },
  {
    name: "eventSourced",
    misspelt: { initalState: "initialState" },
    call: (_, more) =>
      eventSourced({ initialState: 0, handle() {}, apply: (state) => state, ...more }),
  },
  {
    name: "commandSourced",
    misspelt: { isReadonly: "isReadOnly", isReadOnyl: "isReadOnly" },
    call: (_, more) => commandSourced({ initialState: 0, handle() {}, ...more }),
  },
];

/** Registers the cases about options that there are not. */
export function describeOptionNames(options: ConformanceOptions): void {
  const onProvider = casesOf(options, "option names", withProvider());
  const inPlace = casesOf(options, "option names", withPlace, "reopen");

  for (const bag of BAGS) {
    onProvider(`${bag.name} refuses what it does not know`, refusesUnknown(bag));
  }

  inPlace("a provider refuses what it does not know, and closes the storage", async (place) => {
    const open = async (more: object) => {
      const storage = await place.openStorage();
      const before = await everythingIn(storage);
      const error = await refusal(() => PersistenceProvider.openOn(storage, more));
      await assertFails(() => storage.get("meta", bytesOf("a")), "CLOSED");
      await using again = await place.openStorage();
      assert.deepEqual(await everythingIn(again), before);
      return error.message;
    };
    assert.equal(
      await open({ maxMesageBytes: 1 }),
      'Cannot open provider: there is no option "maxMesageBytes", do you mean "maxMessageBytes"?',
    );
    assert.equal(
      await open({ durability: "none" }),
      'Cannot open provider: there is no option "durability", the options are "codec", ' +
        '"maxMessageBytes", "maxSnapshotBytes", "maxPendingMessages", "maxPendingBytes", ' +
        '"maxHotBytes", "backpressure", "runtime", "telemetry"',
    );
  });

  onProvider("what an options bag inherits does not matter", async (provider) => {
    const inheriting: object = Object.create({ expectedSequenceNumer: 7 });
    assert.equal(await provider.createMessageJournal().append("a", 1, inheriting), 0);
  });
}

/** Passes each misspelt name, and others, on a journal and a snapshot that must stay as they are. */
function refusesUnknown({ path = "", misspelt, call }: OptionsBag): ProviderRun {
  return async (provider, storage) => {
    await provider.createMessageJournal<Event>().appendBatch("a", [{ add: 1 }, { add: 2 }]);
    await provider.createSnapshotStore<Amounts>().saveSnapshot("a", [1, 2], 1);
    // How a kind of actors is journaled is stored when the first of them starts.
    await using actor = start(provider);
    await actor.recovered;
    await actor.stop();
    const before = await everythingIn(storage);

    for (const [name, meant] of Object.entries(misspelt)) {
      const { message } = await refusal(() => call(provider, { [name]: 1 }));
      const said = `there is no option "${path}${name}", do you mean "${path}${meant}"?`;
      assert.ok(message.endsWith(`: ${said}`), message);
    }
    for (const name of ["somethingElse", "toString", "constructor"]) {
      const { message } = await refusal(() => call(provider, { [name]: null }));
      assert.ok(message.includes(`there is no option "${path}${name}", `), message);
      const known = message.slice(message.indexOf(", the options are "));
      for (const meant of Object.values(misspelt)) assert.ok(known.includes(`"${path}${meant}"`));
    }
    assert.deepEqual(await everythingIn(storage), before, "nothing has been done");

    for (const name of Object.keys(misspelt)) await call(provider, { [name]: undefined });
  };
}

async function refusal(call: () => unknown): Promise<ArgumentTypeError> {
  const error = await errorOf(call);
  if (!(error instanceof ArgumentTypeError)) throw error;
  assert.equal(error.code, "INVALID_ARGUMENT");
  return error;
}

async function everythingIn(storage: Storage): Promise<string[][]> {
  const spaces: string[][] = [];
  for (const keyspace of KEYSPACES) spaces.push(await dump(storage, keyspace));
  return spaces;
}

/** The options of an option of an actor, for one actor and for many. */
function nested(
  option: string,
  misspelt: OptionsBag["misspelt"],
  needed: object = {},
): OptionsBag[] {
  const path = `${option}.`;
  return [
    {
      name: `${option} of StatefulActor`,
      path,
      misspelt,
      call: async (provider, more) =>
        await start(provider, { [option]: { ...needed, ...more } }).stop(),
    },
    {
      name: `${option} of StatefulActors`,
      path,
      misspelt,
      call: async (provider, more) =>
        await startAll(provider, { [option]: { ...needed, ...more } }).stop(),
    },
  ];
}

function start(
  provider: PersistenceProvider,
  more: object = {},
): StatefulActor<Amounts, Command, Amounts> {
  return startOn(provider, account, more);
}

function startAll(
  provider: PersistenceProvider,
  more: object = {},
): StatefulActors<Amounts, Command, Amounts> {
  return startAllOn(provider, account, more);
}
