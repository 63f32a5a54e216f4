/**
 * A program with actors that ends by itself, in different ways. Nothing in it but the actors can keep
 * the process alive.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { eventSourced, RetentionSweep, StatefulActors } from "../../../mod.ts";
import { readJob, report } from "../../processes/job.ts";

/** What the script takes. */
export interface ProgramJob {
  readonly path: string;
  readonly how:
    | "forgets to stop"
    | "leaves effects that wait"
    | "leaves a delivery under way"
    | "leaves a storage that fails"
    | "forgets a sweep"
    | "stops while a delivery is under way"
    | "stops while a delivery hangs"
    | "stops while a handler hangs"
    | "waits until nothing is open";
}

/** Longer than a test may take. */
const LONG_MS = 600_000;
const SHORT_MS = 200;

const { path, how } = readJob<ProgramJob>();
const provider = await LmdbPersistenceProvider.open({ path });
let begins = () => {};
const hasBegun = new Promise<void>((resolve) => begins = resolve);
let attempts = 0;

const actors = StatefulActors.start({
  provider,
  kind: "cart",
  behavior: eventSourced({
    initialState: 0,
    handle(_sum: number, command: number | "hang") {
      if (command === "hang") return new Promise<never>(() => {});
      return { events: [command], effects: [command], reply: (sum: number) => sum };
    },
    apply: (sum: number, add: number) => sum + add,
  }),
  askTimeoutMs: LONG_MS,
  passivateAfterMs: LONG_MS,
  snapshotPolicy: { everyMs: LONG_MS },
  outbox: {
    deliver,
    initialDelayMs: how === "waits until nothing is open" ? SHORT_MS : LONG_MS,
    maxDelayMs: LONG_MS,
    timeoutMs: how === "stops while a delivery hangs" ? SHORT_MS : LONG_MS,
  },
  onProblem: () => {},
});

report(await actors.ask("a", 1));
if (how !== "forgets to stop" && how !== "forgets a sweep") await hasBegun;

switch (how) {
  case "leaves a storage that fails":
    // What was delivered cannot be confirmed, again and again.
    void provider.close();
    break;
  case "forgets a sweep":
    new RetentionSweep({ provider, kind: "cart", intervalMs: LONG_MS }).start();
    break;
  case "stops while a delivery is under way":
  case "stops while a delivery hangs":
    void actors.stop().then(() => report("stopped"));
    break;
  case "stops while a handler hangs":
    void actors.tell("a", "hang").catch(() => report("rejected"));
    void actors.stop({ timeoutMs: SHORT_MS }).then(() => report("stopped"));
    break;
  case "waits until nothing is open":
    void actors.outbox.drained().then(() => report("drained"));
    break;
}

async function deliver(): Promise<void> {
  begins();
  const isFirst = ++attempts === 1;
  switch (how) {
    case "leaves effects that wait":
      throw new Error("so wants the test");
    case "waits until nothing is open":
      if (isFirst) throw new Error("so wants the test");
      return report("delivered");
    case "leaves a delivery under way":
    case "stops while a delivery hangs":
      return await new Promise(() => {});
    case "stops while a delivery is under way":
      await aWhile();
      report("delivered");
  }
}

/** A time for which the process does not stay alive by itself. */
async function aWhile(): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer: unknown = setTimeout(resolve, SHORT_MS);
    const { Deno } = globalThis as { Deno?: { unrefTimer(timer: unknown): void } };
    if (Deno) Deno.unrefTimer(timer);
    else (timer as { unref(): void }).unref();
  });
}
