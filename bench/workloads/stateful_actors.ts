// Actors on top of the journal: what a busy one costs beside bare appends, and how fast many come back.
import {
  type Behavior,
  commandSourced,
  eventSourced,
  type PersistenceProvider,
  recover,
  StatefulActor,
  StatefulActors,
} from "../../mod.ts";
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, measureRates } from "../measure.ts";
import { circulate, type Message } from "../messages.ts";
import { OurStore } from "../peers/ours.ts";
import type { Workload } from "./workload.ts";

/** So many messages are sent before any answer is awaited. */
const QUEUED = 100;
const ACTORS = 10_000;
/** Each actor has a snapshot and so many messages after it. */
const TAIL = 10;
/** The kind of the many actors that are recovered. */
const MANY = "account";

interface State {
  readonly count: number;
}

/** Busy actors, and the recovery of many. */
export const statefulActors: Workload = {
  name: "stateful-actors",
  title: "Busy actors, and the recovery of many",
  async run(context) {
    return [await busy(context), await recoveries(context)];
  },
};

async function busy(context: Context): Promise<Comparison> {
  await using resources = new AsyncDisposableStack();
  const ours = resources.use(await OurStore.open(context));
  const pool = context.messages(120);
  const { provider } = ours;
  const events = resources.use(
    startActor(provider, "events", countEvents, { snapshotPolicy: "manual" }),
  );
  const saving = resources.use(
    startActor(provider, "saving-events", countEvents),
  );
  const commands = resources.use(
    startActor(provider, "commands", countMessages),
  );
  const contestants = [
    queued("event sourcing", pool, (message) => events.ask(message)),
    queued("event sourcing, snapshots", pool, (message) => saving.ask(message)),
    queued(
      "command sourcing, snapshots",
      pool,
      (message) => commands.ask(message),
    ),
    queued("bare append", pool, (message) => ours.append("bare", message)),
  ];
  const measured = await measureRates(contestants, {
    rounds: context.quick ? 5 : 9,
    operations: context.quick ? 10_000 : 50_000,
  });
  return compare({
    name: "busy-actor",
    title: `120 B, one actor, ${QUEUED} messages queued, each answered`,
    unit: "messages/s",
    measured,
    ours: "event sourcing",
    others: [
      "event sourcing, snapshots",
      "command sourcing, snapshots",
      "bare append",
    ],
    targets: [{ against: "bare append", bound: "at least", ratio: 0.8 }],
    notes: [
      "With snapshots: every 100 messages, as by default. Without them an actor writes what bare append does.",
    ],
  });
}

async function recoveries(context: Context): Promise<Comparison> {
  await using resources = new AsyncDisposableStack();
  const { provider } = resources.use(await OurStore.open(context));
  const ids = Array.from({ length: ACTORS }, (_, index) => `account-${index}`);
  await fill(provider, ids, context.messages(120));
  const journal = provider.createMessageJournal<Message>({ kind: MANY });
  const snapshots = provider.createSnapshotStore<State>({ kind: MANY });
  const contestants: Contestant[] = [
    {
      name: "StatefulActors",
      kind: "ours",
      async run(operations) {
        await using actors = StatefulActors.start({
          provider,
          kind: MANY,
          behavior: countEvents,
          maxActive: 1_000,
        });
        const { failed } = await actors.recover(ids.slice(0, operations));
        if (failed > 0) {
          throw new Error(`${failed} actors could not be recovered`);
        }
      },
    },
    {
      name: "recover() alone",
      kind: "ours",
      async run(operations) {
        for (const actorId of ids.slice(0, operations)) {
          await recover({
            journal,
            snapshots,
            actorId,
            initialState: { count: 0 },
            apply,
          });
        }
      },
    },
  ];
  const measured = await measureRates(contestants, {
    rounds: context.quick ? 3 : 7,
    operations: ACTORS,
  });
  return compare({
    name: "recoveries",
    title: `${
      ACTORS.toLocaleString("en")
    } actors, each a snapshot and ${TAIL} messages after it, 1,000 in memory`,
    unit: "actors/s",
    measured,
    ours: "StatefulActors",
    others: ["recover() alone"],
  });
}

function apply(state: State): State {
  return { count: state.count + 1 };
}

const countOf = ({ count }: State) => count;

const countEvents = eventSourced({
  initialState: { count: 0 },
  handle: (_state: State, message: Message) => ({
    events: [message],
    reply: countOf,
  }),
  apply: (state: State, _event: Message) => apply(state),
});

const countMessages = commandSourced({
  initialState: { count: 0 },
  handle: (state: State, _message: Message) => ({
    state: apply(state),
    reply: countOf,
  }),
});

function startActor(
  provider: PersistenceProvider,
  kind: string,
  behavior: Behavior<State, Message, Message, number>,
  options: { snapshotPolicy?: "manual" } = {},
): StatefulActor<State, Message, number> {
  return StatefulActor.start({
    provider,
    kind,
    actorId: "1",
    behavior,
    ...options,
  });
}

function queued(
  name: string,
  pool: readonly Message[],
  send: (message: Message) => Promise<unknown>,
): Contestant {
  const next = circulate(pool);
  return {
    name,
    kind: "ours",
    async run(operations) {
      for (let sent = 0; sent < operations; sent += QUEUED) {
        await Promise.all(Array.from({ length: QUEUED }, () => send(next())));
      }
    },
  };
}

async function fill(
  provider: PersistenceProvider,
  ids: readonly string[],
  pool: readonly Message[],
): Promise<void> {
  const journal = provider.createMessageJournal<Message>({ kind: MANY });
  const snapshots = provider.createSnapshotStore<State>({ kind: MANY });
  const messages = pool.slice(0, TAIL + 1);
  await Promise.all(ids.map((id) => journal.appendBatch(id, messages)));
  await Promise.all(
    ids.map((id) => snapshots.saveSnapshot(id, { count: 1 }, 0)),
  );
}
