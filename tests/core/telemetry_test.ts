import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { MemoryPersistenceProvider, MemoryStorage } from "../../adapters/memory.ts";
import {
  eventSourced,
  type PersistenceError,
  PersistenceProvider,
  type ProviderOptions,
  StatefulActors,
  type Telemetry,
  type TelemetryEvent,
  type TelemetrySpan,
  type TraceContext,
} from "../../mod.ts";
import { TestClock } from "../../testing/test_clock.ts";
import { ObservedStorage } from "../conformance/observed_storage.ts";
import { test } from "../harness.ts";

type EventOf<Type extends TelemetryEvent["type"]> = Extract<TelemetryEvent, { type: Type }>;

/** Keeps all events. */
class Recorder implements Telemetry {
  readonly events: TelemetryEvent[] = [];
  isEnabled = true;

  onEvent(event: TelemetryEvent): void {
    this.events.push(event);
  }

  of<Type extends TelemetryEvent["type"]>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type);
  }
}

async function openObserved(
  options: ProviderOptions = {},
): Promise<{ provider: PersistenceProvider; storage: ObservedStorage; recorder: Recorder }> {
  const recorder = new Recorder();
  const storage = new ObservedStorage(await MemoryStorage.open());
  const provider = await PersistenceProvider.openOn(storage, { telemetry: recorder, ...options });
  return { provider, storage, recorder };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

test("telemetry: commits add up to what was appended", async () => {
  const { provider, recorder } = await openObserved();
  const journal = provider.createMessageJournal<string>({ kind: "door" });
  const appends = [1, 2, 3, 4, 5].map((number) => journal.append(`door-${number % 2}`, "opened"));
  await Promise.all([...appends, journal.appendBatch("door-3", ["opened", "closed"])]);
  await provider.createSnapshotStore<string>().saveSnapshot("door-3", "closed", 1);
  const { commits, committedMessages, log } = await provider.stats();
  await provider.close();

  const told = recorder.of("commit");
  assert.equal(told.length, commits);
  assert.equal(sum(told.map(({ messages }) => messages)), committedMessages);
  assert.equal(committedMessages, 7);
  assert.equal(sum(told.map(({ appends }) => appends)), 6);
  assert.equal(sum(told.map(({ writes }) => writes)), 1);
  assert.equal(sum(told.map(({ bytes }) => bytes)), 7 * 7, "each string has a byte before it");
  assert.ok(told.every(({ outcome, failure }) => outcome === "committed" && !failure));
  assert.ok(told.every(({ durationMs, waitMs }) => durationMs >= 0 && waitMs >= 0));
  assert.deepEqual([...new Set(told.map(({ actors }) => actors))].sort(), [0, 3]);
  assert.equal(log.position, 1);
  assert.equal(log.hotActors, 3);
  assert.ok(log.hotBytes > 0);
});

test("telemetry: how long messages wait, by a clock that may be set back", async () => {
  const clock = new TestClock();
  const { provider, storage, recorder } = await openObserved({ runtime: { clock } });
  const journal = provider.createMessageJournal<string>();
  await journal.append("door", "opened");
  const release = storage.holdCommits();
  const first = journal.append("door", "closed");
  await storage.commitHeld();
  const second = journal.append("door", "opened");
  await clock.advance(40);
  release();
  await Promise.all([first, second]);
  assert.deepEqual(recorder.of("commit").map(({ waitMs }) => waitMs), [0, 0, 40]);
  await provider.close();
});

test("telemetry: a commit that fails, with its code", async () => {
  const { provider, storage, recorder } = await openObserved();
  const journal = provider.createMessageJournal<string>();
  storage.failCommit = () => Object.assign(new Error("no"), { code: "EIO" });
  await assert.rejects(journal.append("door", "opened"));
  storage.failCommit = () => undefined;
  await journal.append("door", "opened");
  await provider.close();
  assert.deepEqual(
    recorder.of("commit").map(({ outcome, failure, messages }) => [outcome, failure, messages]),
    [["failed", "EIO", 1], ["committed", undefined, 1]],
  );
});

test("telemetry: what another provider has overtaken is reported as a conflict", async () => {
  const { provider, storage, recorder } = await openObserved();
  const other = await PersistenceProvider.openOn(storage);
  await provider.createMessageJournal<string>().append("door", "opened");
  await other.createMessageJournal<string>().append("window", "opened");
  await provider.createMessageJournal<string>().append("door", "closed");
  const { conflicts } = await provider.stats();
  await other.close();
  const outcomes = recorder.of("commit").map(({ outcome }) => outcome);
  assert.deepEqual(outcomes, ["committed", "conflict", "committed"]);
  assert.equal(conflicts, 1);
});

test("telemetry: deletions and erasures are reported as writes", async () => {
  const { provider, recorder } = await openObserved();
  await provider.createMessageJournal<string>().append("door", "opened");
  await provider.deleteActor("door");
  await provider.close();
  const { commits } = recorder.of("commit").reduce(
    ({ commits, writes }, event) => ({ commits: commits + 1, writes: writes + event.writes }),
    { commits: 0, writes: 0 },
  );
  assert.ok(commits >= 2);
  assert.ok(recorder.of("commit").slice(1).every(({ messages }) => messages === 0));
  assert.ok(sum(recorder.of("commit").map(({ writes }) => writes)) >= 1);
});

test("telemetry: backpressure, those who wait and those who are refused", async () => {
  for (const backpressure of ["wait", "reject"] as const) {
    const { provider, storage, recorder } = await openObserved({
      maxPendingMessages: 1,
      backpressure,
    });
    const journal = provider.createMessageJournal<string>({ kind: "door" });
    const release = storage.holdCommits();
    const first = journal.append("1", "opened");
    await storage.commitHeld();
    const second = journal.append("2", "opened").catch((error: PersistenceError) => error.code);
    release();
    await Promise.all([first, second]);
    await provider.close();
    const outcome = backpressure === "wait" ? "waiting" : "refused";
    assert.deepEqual(recorder.of("backpressure"), [
      { type: "backpressure", outcome, kind: "door", messages: 1, bytes: 7 },
    ]);
  }
});

test("telemetry: reads, truncations and snapshots", async () => {
  const clock = new TestClock();
  const { provider, recorder } = await openObserved({ runtime: { clock } });
  const journal = provider.createMessageJournal<number>({ kind: "meter" });
  const snapshots = provider.createSnapshotStore<number>({ kind: "meter" });
  await journal.appendBatch("1", Array.from({ length: 5_000 }, (_, index) => index));
  await snapshots.saveSnapshot("1", 4_999, 4_999);
  await clock.advance(1_500);
  assert.equal((await snapshots.getLatestSnapshot("1"))?.state, 4_999);
  assert.equal(await snapshots.getLatestSnapshot("2"), undefined);
  let replayed = 0;
  for await (const _ of journal.replay("1", 0)) replayed++;
  await journal.truncateBefore("1", 4_000);
  await journal.truncateBefore("1", 4_000);
  await journal.truncateBefore("1", 4_500);
  await provider.close();

  assert.equal(sum(recorder.of("read").map(({ messages }) => messages)), replayed);
  assert.ok(
    recorder.of("read").every(({ kind, durationMs }) => kind === "meter" && durationMs >= 0),
  );
  assert.deepEqual(recorder.of("truncation").map(({ messages }) => messages), [4_000, 500]);
  const [saved, ...noMoreSaved] = recorder.of("snapshot-saved");
  assert.deepEqual([saved?.kind, saved?.failure, noMoreSaved.length], ["meter", undefined, 0]);
  const [loaded, ...noMoreLoaded] = recorder.of("snapshot-loaded");
  assert.deepEqual([loaded?.kind, loaded?.ageMs, noMoreLoaded.length], ["meter", 1_500, 0]);
  assert.equal(loaded?.bytes, saved?.bytes);
});

test("telemetry: a snapshot that cannot be saved", async () => {
  const { provider, storage, recorder } = await openObserved();
  storage.failCommit = () => new Error("no");
  await assert.rejects(provider.createSnapshotStore<number>().saveSnapshot("1", 1, 1));
  storage.failCommit = () => undefined;
  await provider.close();
  assert.deepEqual(recorder.of("snapshot-saved").map(({ failure }) => failure), ["STORAGE_FAILED"]);
});

test("telemetry: the log is collected", async () => {
  const { provider, recorder } = await openObserved({ maxHotBytes: 1_000 });
  const journal = provider.createMessageJournal<string>();
  for (let round = 0; round < 20; round++) await journal.append("door", "x".repeat(300));
  await provider.close();
  const pieces = recorder.of("collection");
  assert.ok(pieces.some(({ bytes, failure }) => bytes > 300 && failure === undefined));
});

test("telemetry: actors are recovered, asked, and their effects delivered", async () => {
  const { provider, recorder } = await openObserved();
  const makeActors = () => {
    const attempts = new Map<string, number>();
    return StatefulActors.start({
      provider,
      kind: "cart",
      behavior: eventSourced({
        initialState: 0,
        handle: (_state: number, amount: number) => {
          if (amount < 0) throw new Error("too little");
          return { events: [amount], effects: [`mail ${amount}`], reply: (state: number) => state };
        },
        apply: (state: number, amount: number) => state + amount,
      }),
      snapshotPolicy: { everyMessages: 2 },
      outbox: {
        deliver: (effect: string) => {
          const attempt = (attempts.get(effect) ?? 0) + 1;
          attempts.set(effect, attempt);
          if (effect === "mail 7" || attempt === 1) throw new Error("not now");
        },
        initialDelayMs: 1,
        maxDelayMs: 1,
        maxAttempts: 3,
      },
      onProblem: () => {},
    });
  };
  const first = await makeActors();
  assert.equal(await first.ask("1", 5), 5);
  assert.equal(await first.ask("1", 7), 12);
  await assert.rejects(first.ask("1", -1), /too little/);
  await first.outbox.drained();
  await first.stop();
  const second = await makeActors();
  assert.equal(await second.ask("1", 1), 13);
  await second.stop();
  await provider.close();

  const kinds = recorder.events.map((event) => "kind" in event ? event.kind : "cart");
  assert.deepEqual([...new Set(kinds)], ["cart"]);
  assert.deepEqual(
    recorder.of("ask").map(({ failure }) => failure),
    [undefined, undefined, "ERROR", undefined],
  );
  assert.deepEqual(
    recorder.of("recovery").map(({ failure, hasSnapshot, messages }) => ({
      failure,
      hasSnapshot,
      messages,
    })),
    [
      { failure: undefined, hasSnapshot: false, messages: 0 },
      { failure: undefined, hasSnapshot: true, messages: 0 },
    ],
  );
  const outcomes = recorder.of("delivery").slice(0, 5).map(({ outcome, attempt }) =>
    `${outcome} ${attempt}`
  );
  assert.deepEqual(outcomes.sort(), [
    "dead-letter 3",
    "delivered 2",
    "retry 1",
    "retry 1",
    "retry 2",
  ]);
});

test("telemetry: a recovery that fails", async () => {
  const { provider, recorder } = await openObserved();
  await provider.createMessageJournal<string>({ kind: "cart" }).append("1", "opened");
  const actors = await StatefulActors.start({
    provider,
    kind: "cart",
    behavior: eventSourced({
      initialState: 0,
      handle: (_state: number, _message: string) => ({ events: ["opened"] }),
      apply: (): number => {
        throw new Error("unknown event");
      },
    }),
    onProblem: () => {},
  });
  await assert.rejects(actors.ask("1", "close"));
  await actors.stop();
  await provider.close();
  assert.deepEqual(recorder.of("recovery").map(({ failure }) => failure), ["RECOVERY_FAILED"]);
  assert.equal(recorder.of("ask").length, 1);
  assert.ok(recorder.of("ask")[0]?.failure);
});

const hostileListeners: Record<string, () => Telemetry> = {
  "throws": () => ({
    onEvent: () => {
      throw new Error("I throw");
    },
  }),
  "rejects": () => ({ onEvent: () => Promise.reject(new Error("I throw")) }),
  "throws when it is asked": () => ({
    get isEnabled(): boolean {
      throw new Error("I throw");
    },
    onEvent: () => {},
  }),
};

for (const [what, makeListener] of Object.entries(hostileListeners)) {
  test(`telemetry: a listener that ${what} is counted, and nothing is lost`, async () => {
    const storage = await MemoryStorage.open();
    const provider = await PersistenceProvider.openOn(storage, { telemetry: makeListener() });
    const journal = provider.createMessageJournal<number>();
    const numbers = await Promise.all([1, 2, 3].map((number) => journal.append("door", number)));
    assert.deepEqual(numbers, [0, 1, 2]);
    assert.equal((await journal.readFrom("door", 0)).length, 3);
    const { failedTelemetry, lastTelemetryError } = await provider.stats();
    assert.ok(failedTelemetry > 0);
    assert.match(String(lastTelemetryError), /I throw/);
    await provider.close();
  });
}

const hostileSpans: Record<string, () => TelemetrySpan> = {
  "throws when it runs": () => ({
    run: () => {
      throw new Error("I throw");
    },
    end: () => {},
  }),
  "runs nothing": () => ({ run: () => undefined as never, end: () => {} }),
  "runs it twice": () => ({
    run: (call) => {
      call();
      return call();
    },
    end: () => {},
  }),
  "gives something else": () => ({
    run: (call) => {
      call();
      return "something else" as never;
    },
    end: () => {},
  }),
  "throws at its end": () => ({
    end: () => {
      throw new Error("I throw");
    },
  }),
  "throws when its context is asked for": () => ({
    get context(): TraceContext {
      throw new Error("I throw");
    },
    end: () => {},
  }),
  "has a context that is none": () => ({
    context: { traceparent: "x".repeat(100_000) },
    end: () => {},
  }),
};

for (const [what, makeSpan] of Object.entries(hostileSpans)) {
  test(`telemetry: a span that ${what} disturbs nothing`, async () => {
    const telemetry = { onEvent: () => {}, startSpan: makeSpan };
    const { provider } = await openObserved({ telemetry });
    let handled = 0;
    const actors = await StatefulActors.start({
      provider,
      kind: "cart",
      behavior: eventSourced({
        initialState: 0,
        handle: (_state: number, amount: number) => {
          handled++;
          if (amount < 0) throw new Error("too little");
          return { events: [amount], reply: (state: number) => state };
        },
        apply: (state: number, amount: number) => state + amount,
      }),
      onProblem: () => {},
    });
    assert.equal(await actors.ask("1", 5), 5);
    await assert.rejects(actors.ask("1", -1), /too little/);
    assert.equal(handled, 2);
    await actors.stop();
    const journal = provider.createMessageJournal<string>();
    assert.equal(await journal.append("1", "opened"), 0);
    assert.equal((await journal.readFrom("1", 0))[0]?.metadata, undefined);
    await provider.close();
  });
}

test("telemetry: a listener that appends in the midst of a commit", async () => {
  const storage = await MemoryStorage.open();
  const appended: Promise<number>[] = [];
  const telemetry: Telemetry = {
    onEvent(event) {
      if (event.type === "commit" && appended.length < 50) {
        appended.push(journal.append("door", appended.length));
      }
    },
  };
  const provider = await PersistenceProvider.openOn(storage, { telemetry });
  const journal = provider.createMessageJournal<number>();
  assert.equal(await journal.append("door", -1), 0);
  await provider.sync();
  while (appended.length < 50) await new Promise((resolve) => setTimeout(resolve, 1));
  const numbers = await Promise.all(appended);
  assert.deepEqual(numbers, Array.from({ length: 50 }, (_, index) => index + 1));
  const stored = await journal.readFrom("door", 0);
  assert.deepEqual(stored.map(({ message }) => message), [-1, ...numbers.map((n) => n - 1)]);
  await provider.close();
});

test("telemetry: nothing is reported to a listener that is not enabled", async () => {
  const { provider, recorder } = await openObserved();
  recorder.isEnabled = false;
  const journal = provider.createMessageJournal<string>();
  await journal.append("door", "opened");
  assert.equal(recorder.events.length, 0);
  recorder.isEnabled = true;
  await journal.append("door", "closed");
  assert.equal(recorder.of("commit").length, 1);
  await provider.close();
});

test("telemetry: what is no listener is refused", async () => {
  for (const telemetry of [null, 1, {}, { onEvent: 1 }]) {
    const storage = await MemoryStorage.open();
    const options = { telemetry } as unknown as ProviderOptions;
    await assert.rejects(
      PersistenceProvider.openOn(storage, options),
      (error: PersistenceError) => error.code === "INVALID_ARGUMENT",
    );
  }
});

test("telemetry: all events are on the channel cajun.persistence", async () => {
  const told: TelemetryEvent[] = [];
  const listen = (event: unknown) => void told.push(event as TelemetryEvent);
  const provider = await MemoryPersistenceProvider.open();
  const journal = provider.createMessageJournal<string>();
  await journal.append("door", "opened");
  const published = channel("cajun.persistence");
  published.subscribe(listen);
  await journal.append("door", "closed");
  published.unsubscribe(listen);
  await journal.append("door", "opened");
  await provider.close();
  assert.deepEqual(told.map(({ type }) => type), ["commit"]);
});
