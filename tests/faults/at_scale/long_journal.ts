import assert from "node:assert/strict";
import {
  recover,
  type RecoveryOptions,
  type RecoveryProgress,
} from "../../../core/actors/recovery.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { errorOf, range } from "../../conformance/fixture.ts";
import type { Fault } from "../fault.ts";
import { checkAtScale } from "./at_scale.ts";

const BATCH = 10_000;
/** After so many entries a recovery tells how far it is. */
const PROGRESS_ENTRIES = 1_000;

/** However long a journal is, its recovery tells how far it is, and gives others their turn. */
export const longJournal: Fault = {
  name: "long-journal",
  title: "The recovery of a long journal, which shows progress and can be aborted",
  unit: "entries",
  run: (options) =>
    checkAtScale({
      "it shows progress, and can be aborted": async (provider, count) => {
        const source = await fill(provider, count);
        await showProgress(source, count);
        await abort(source, count);
      },
    }, options),
};

type Source = RecoveryOptions<number, number>;

async function showProgress(source: Source, count: number): Promise<void> {
  const seen: RecoveryProgress[] = [];
  const { state, replayed } = await recover({
    ...source,
    onProgress: (progress) => void seen.push(progress),
  });
  assert.equal(replayed, count);
  assert.equal(state, (count * (count - 1)) / 2);
  assert.equal(seen.length, Math.ceil(count / PROGRESS_ENTRIES) + 1);
  assert.ok(seen.every(({ total }) => total === count));
  const last = seen.pop();
  assert.equal(last?.replayed, count);
  assert.ok(seen.every(({ replayed }, index) => replayed === index * PROGRESS_ENTRIES));
}

async function abort(source: Source, count: number): Promise<void> {
  const controller = new AbortController();
  const reason = new Error("enough");
  // By a timer, which must have its turn.
  setTimeout(() => controller.abort(reason), 5);
  let last = 0;
  const aborted = recover({
    ...source,
    signal: controller.signal,
    onProgress: ({ replayed }) => void (last = replayed),
  });
  assert.equal(await errorOf(() => aborted), reason);
  assert.ok(last < count);
}

/** Appends the numbers from 0 on. Gives what a recovery adds them up with. */
async function fill(provider: PersistenceProvider, count: number): Promise<Source> {
  const journal = provider.createMessageJournal<number>();
  for (let first = 0; first < count; first += BATCH) {
    await journal.appendBatch("a", range(first, Math.min(count, first + BATCH) - 1));
  }
  return {
    journal,
    actorId: "a",
    initialState: 0,
    apply: (state: number, message: number) => state + message,
  };
}
