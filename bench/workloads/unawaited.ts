// Appends that are not awaited one by one: each has its promise, and all are awaited at the end.
import { setImmediate } from "node:timers/promises";
import { compare } from "../comparison.ts";
import { type Contestant, measureRates } from "../measure.ts";
import { circulate, type Message } from "../messages.ts";
import { encodingAlone, encodingWithPromises } from "../peers/limits.ts";
import { OurStore } from "../peers/ours.ts";
import { RawLmdbStore } from "../peers/raw_lmdb.ts";
import { SqliteStore } from "../peers/sqlite.ts";
import type { Store } from "../peers/store.ts";
import type { Workload } from "./workload.ts";

const ACTOR_ID = "account-1";

/** So many appends are called in one turn of the event loop by who lets others have theirs. */
const APPENDS_PER_TURN = 1_000;

const IN_TURNS = "ours, in turns";
const AT_ONCE = "ours, at once";

/** Unawaited appends. */
export const unawaited: Workload = {
  name: "unawaited",
  title: "Appends that are not awaited one by one, a promise each",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const ours = resources.use(await OurStore.open(context));
    const sqlite = resources.use(await SqliteStore.open(context));
    const lmdb = resources.use(await RawLmdbStore.open(context));
    const pool = context.messages(120);
    const others = [
      encodingAlone(context, 120),
      encodingWithPromises(context, 120),
      inTurns(sqlite.name, sqlite, pool),
      inTurns(lmdb.name, lmdb, pool),
    ];
    const measured = await measureRates(
      [inTurns(IN_TURNS, ours, pool), atOnce(ours, pool), ...others],
      {
        rounds: context.quick ? 5 : 9,
        operations: context.quick ? 40_000 : 100_000,
      },
    );
    const common = {
      unit: "messages/s",
      measured,
      others: others.map(({ name }) => name),
      targets: [
        { against: "encoding alone", bound: "at least", ratio: 0.6 } as const,
      ],
    };
    const title = "120 B, one actor, a promise each";
    return [
      compare({
        ...common,
        name: "unawaited-turns",
        title: `${title}, ${APPENDS_PER_TURN.toLocaleString("en")} in a turn of the event loop`,
        ours: IN_TURNS,
      }),
      compare({
        ...common,
        name: "unawaited-at-once",
        title: `${title}, all called before any is awaited (the others in turns)`,
        ours: AT_ONCE,
      }),
    ];
  },
};

function inTurns(
  name: string,
  store: Store,
  pool: readonly Message[],
): Contestant {
  const next = circulate(pool);
  return {
    name,
    kind: store.kind,
    async run(operations) {
      const promises: Promise<unknown>[] = [];
      for (let index = 0; index < operations; index++) {
        if (index % APPENDS_PER_TURN === 0) await setImmediate();
        promises.push(store.append(ACTOR_ID, next()));
      }
      await Promise.all(promises);
    },
  };
}

function atOnce(store: Store, pool: readonly Message[]): Contestant {
  const next = circulate(pool);
  return {
    name: AT_ONCE,
    kind: "ours",
    async run(operations) {
      const promises: Promise<unknown>[] = [];
      for (let index = 0; index < operations; index++) {
        promises.push(store.append("account-2", next()));
      }
      await Promise.all(promises);
    },
  };
}
