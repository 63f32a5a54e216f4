import assert from "node:assert/strict";
import { PersistenceProvider } from "../../../core/provider.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import {
  assertFails,
  casesOf,
  errorOf,
  outcomeOf,
  outcomesOf,
  range,
  withStorage,
} from "../fixture.ts";
import {
  asciiCodec,
  type JournalKind,
  messagesOf,
  numbersOf,
  withJournal,
  withObserved,
  withTwoWriters,
} from "./fixture.ts";
import { JournalModel, RandomCalls } from "./model.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about calls at the same time. */
export function describeConcurrency(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} concurrency`, withJournal(kind));
  const checkTwo = casesOf(options, `${kind.name} concurrency`, withTwoWriters(kind));
  const observed = casesOf(options, `${kind.name} concurrency`, withObserved(kind));
  const onStorage = casesOf(options, `${kind.name} concurrency`, withStorage);

  check(
    "5,000 appends over 50 actors, not awaited, are consecutive in call order",
    async (journal) => {
      const numbers = await Promise.all(
        range(0, 4_999).map((index) => journal.append(`actor ${index % 50}`, index)),
      );
      assert.deepEqual(numbers, range(0, 4_999).map((index) => Math.floor(index / 50)));
      for (const actor of range(0, 49)) {
        assert.deepEqual(
          await messagesOf(journal, `actor ${actor}`),
          range(0, 99).map((index) => index * 50 + actor),
        );
      }
    },
  );

  check("through several journal objects the call order decides", async (journal, { create }) => {
    const journals = [journal, create(), create("a")];
    const numbers = await Promise.all(
      range(0, 299).map((index) => (journals[index % 3] ?? journal).append("a", index)),
    );
    assert.deepEqual(numbers, range(0, 299));
    assert.deepEqual(await messagesOf(journal), range(0, 299));
  });

  checkTwo(
    "two providers on one storage interleave, but lose and repeat nothing",
    async (one, other) => {
      const write = (journal: typeof one, name: string) =>
        range(0, 99).map((index) =>
          index % 3 === 0
            ? journal.appendBatch("a", [`${name} ${index}`, `${name} ${index}+`])
            : journal.append("a", `${name} ${index}`)
        );
      const results = await Promise.all([...write(one, "one"), ...write(other, "other")]);
      assert.deepEqual(results.flat().sort((a, b) => a - b), range(0, 267));
      const messages = (await messagesOf(one)).map(String);
      assert.equal(messages.length, 268);
      for (const name of ["one", "other"]) {
        const own = messages.filter((message) => message.startsWith(`${name} `));
        assert.deepEqual(
          own,
          range(0, 99).flatMap((index) =>
            index % 3 === 0 ? [`${name} ${index}`, `${name} ${index}+`] : [`${name} ${index}`]
          ),
        );
        for (const message of own.filter((message) => message.endsWith("+"))) {
          const position = messages.indexOf(message);
          assert.equal(messages[position - 1], message.slice(0, -1), "a batch stays together");
        }
      }
      assert.deepEqual(await messagesOf(other), messages);
    },
  );

  checkTwo("two providers in turn see each other's numbers at once", async (one, other) => {
    for (const index of range(0, 9)) {
      assert.equal(await one.append("a", "x"), 2 * index);
      assert.equal(await other.getHighestSequenceNumber("a"), 2 * index);
      assert.equal(await other.append("a", "y"), 2 * index + 1);
      assert.deepEqual(await numbersOf(one), range(0, 2 * index + 1));
    }
  });

  observed("what another provider overtook goes out after it, still in call order", async (
    journal,
    storage,
  ) => {
    const other = await PersistenceProvider.openOn(new KeptOpenStorage(storage.inner));
    await journal.append("a", "0");
    const release = storage.holdCommits();
    const outcomes = [
      journal.append("a", "2"),
      journal.append("a", "refused", { expectedSequenceNumber: 2 }),
      journal.appendBatch("a", ["3", "4"]),
      journal.truncateBefore("a", 4),
    ].map(outcomeOf);
    await storage.commitHeld();
    outcomes.push(outcomeOf(journal.append("a", "5")), outcomeOf(journal.append("b", "0")));
    assert.equal(await other.createMessageJournal().append("a", "1"), 1);
    release();
    assert.deepEqual(await Promise.all(outcomes), [2, "CONFLICT", [3, 4], undefined, 5, 0]);
    assert.deepEqual(await messagesOf(journal), ["4", "5"]);
    await other.close();
  });

  checkTwo(
    "of two providers that expect the same number one gets it, the other a CONFLICT",
    async (one, other) => {
      for (const next of range(0, 19)) {
        const expectation = { expectedSequenceNumber: next };
        const outcomes = await outcomesOf([
          one.append("a", "one", expectation),
          other.append("a", "other", expectation),
        ]);
        assert.deepEqual(outcomes.map(String).sort(), ["CONFLICT", String(next)].sort());
        const loser = outcomes[0] === "CONFLICT" ? one : other;
        await assertFails(() => loser.append("a", "again", expectation), "CONFLICT", {
          actualSequenceNumber: next + 1,
        });
      }
      assert.deepEqual(await numbersOf(one), range(0, 19));
    },
  );

  checkTwo(
    "an expectation is checked against what another provider wrote meanwhile",
    async (one, other) => {
      await one.append("a", "0");
      await other.appendBatch("a", ["1", "2"]);
      assert.equal(await one.append("a", "3", { expectedSequenceNumber: 3 }), 3);
      const stale = { expectedSequenceNumber: 3 };
      await assertFails(() => other.append("a", "x", stale), "CONFLICT", {
        actualSequenceNumber: 4,
      });
      assert.deepEqual(await messagesOf(other), ["0", "1", "2", "3"]);
    },
  );

  for (const ending of ["are awaited", "are closed upon", "are synced"]) {
    check(
      `random calls answer like a model, then ${ending}`,
      (journal, { create, provider }) =>
        withRandom(options.seed, async (random) => {
          const model = new JournalModel();
          const journals = [journal, create(), provider.createMessageJournal()];
          const calls = new RandomCalls(journals, random, model);
          for (const _ of range(1, 400)) {
            calls.make();
            if (random.below(10) === 0) {
              await undefined;
            }
            if (random.below(40) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
          }
          if (ending === "are closed upon") {
            await Promise.all(journals.map((each) => each.close()));
          }
          if (ending === "are synced") await provider.sync();
          await calls.settle();
          await model.assertSame(provider.createMessageJournal());
        }),
    );
  }

  onStorage(
    "random calls before the provider closes are all carried out",
    (storage) =>
      withRandom(options.seed, async (random) => {
        const provider = await PersistenceProvider.openOn(new KeptOpenStorage(storage));
        const model = new JournalModel();
        const journals = [
          kind.create<unknown>(provider),
          provider.createMessageJournal<unknown>(),
          provider.createBatchedMessageJournal<unknown>({ maxBatchDelayMs: 60_000 }),
        ];
        const calls = new RandomCalls(journals, random, model);
        for (const _ of range(1, 200)) calls.make();
        await provider.close();
        await calls.settle();
        const after = await PersistenceProvider.openOn(new KeptOpenStorage(storage));
        await model.assertSame(after.createMessageJournal());
      }),
  );
}

/** Registers the cases about too much that waits. */
export function describeBackpressure(options: ConformanceOptions, kind: JournalKind): void {
  const cases = (limits: ProviderOptions) =>
    casesOf(options, `${kind.name} backpressure`, withJournal(kind, limits));
  const codec = asciiCodec();
  const rejecting = cases({ maxPendingMessages: 10, backpressure: "reject" });
  const rejectingBytes = cases({ codec, maxPendingBytes: 100, backpressure: "reject" });
  const waiting = (maxPendingMessages: number) => cases({ maxPendingMessages });
  const waitingBytes = cases({ codec, maxPendingBytes: 100 });

  rejecting(
    "beyond the limit of messages an append is rejected, and those before are not",
    async (journal) => {
      const outcomes = await outcomesOf(range(0, 14).map(() => journal.append("a", "x")));
      assert.deepEqual(outcomes, [...range(0, 9), ...range(10, 14).map(() => "BACKPRESSURE")]);
      assert.equal(await journal.append("a", "afterwards"), 10);
      const error = errorOf(() => Promise.all(range(0, 14).map(() => journal.append("b", "x"))));
      assert.equal(Reflect.get(Object(await error), "actorId"), "b");
    },
  );

  rejecting(
    "the limit of messages holds over all actors, and counts those of a batch",
    async (journal) => {
      const outcomes = outcomesOf([
        journal.appendBatch("a", range(0, 5)),
        journal.appendBatch("b", range(0, 4)),
        journal.appendBatch("c", range(0, 3)),
        journal.append("d", "x"),
      ]);
      assert.deepEqual(await outcomes, [
        range(0, 5),
        "BACKPRESSURE",
        range(0, 3),
        "BACKPRESSURE",
      ]);
    },
  );

  rejectingBytes("beyond the limit of bytes an append is rejected", async (journal) => {
    const outcomes = outcomesOf([
      journal.append("a", "x".repeat(60)),
      journal.append("b", "x".repeat(41)),
      journal.append("c", "x".repeat(40)),
      journal.append("a", "x"),
      journal.append("a", ""),
    ]);
    assert.deepEqual(await outcomes, [0, "BACKPRESSURE", 0, "BACKPRESSURE", 1]);
  });

  rejecting(
    "a batch beyond the limit of messages is taken if nothing else waits",
    async (journal) => {
      assert.deepEqual(await journal.appendBatch("a", range(0, 24)), range(0, 24));
      assert.deepEqual(await journal.appendBatch("a", range(0, 24)), range(25, 49));
    },
  );

  waitingBytes("a batch beyond the limit of bytes is TOO_LARGE", async (journal) => {
    const batch = range(0, 9).map(() => "x".repeat(10));
    assert.deepEqual(await journal.appendBatch("a", batch), range(0, 9));
    await assertFails(() => journal.appendBatch("a", [...batch, "x"]), "TOO_LARGE");
    assert.equal(await journal.append("a", "x".repeat(100)), 10);
    await assertFails(() => journal.append("a", "x".repeat(101)), "TOO_LARGE");
  });

  waiting(30)("if appends wait, all arrive in call order", async (journal) => {
    const appends = range(0, 199).map((index) =>
      index % 7 === 0
        ? journal.appendBatch("a", [`${index}`, `${index}+`])
        : journal.append("a", `${index}`)
    );
    const expected = range(0, 199).flatMap((index) =>
      index % 7 === 0 ? [`${index}`, `${index}+`] : [`${index}`]
    );
    const numbers = (await Promise.all(appends)).flat();
    assert.deepEqual(numbers, range(0, expected.length - 1));
    assert.deepEqual(await messagesOf(journal), expected);
  });

  waitingBytes("a large message that waits is not overtaken by small ones", async (journal) => {
    const texts = range(0, 20).map((index) => "x".repeat(index % 3 === 2 ? 90 : 20));
    const numbers = await Promise.all(texts.map((text) => journal.append("a", text)));
    assert.deepEqual(numbers, range(0, 20));
    assert.deepEqual(await messagesOf(journal), texts);
  });

  waiting(2)("truncateBefore holds its place among appends that wait", async (journal) => {
    const calls = [
      ...range(0, 9).map((index) => journal.append("a", index)),
      journal.truncateBefore("a", 100),
      ...range(10, 14).map((index) => journal.append("a", index)),
    ];
    await Promise.all(calls);
    assert.deepEqual(await messagesOf(journal), range(10, 14));
  });

  const observed = (limits: ProviderOptions) =>
    casesOf(options, `${kind.name} backpressure`, withObserved(kind, limits));
  const abortable = observed({ maxPendingMessages: 2 });
  abortable("an abort gets one that waits for room out, and the others go on", async (
    journal,
    storage,
  ) => {
    const release = storage.holdCommits();
    const controller = new AbortController();
    const { signal } = controller;
    const first = [journal.append("a", 0), journal.append("a", 1)];
    await storage.commitHeld();
    const aborted = [
      errorOf(() => journal.append("a", "x", { signal })),
      errorOf(() => journal.append("b", "x", { signal })),
    ];
    const waiting = journal.append("a", 2);
    controller.abort("enough");
    assert.deepEqual(await Promise.all(aborted), ["enough", "enough"]);
    release();
    assert.deepEqual(await Promise.all([...first, waiting]), [0, 1, 2]);
    assert.deepEqual(await messagesOf(journal), [0, 1, 2]);
    assert.equal(await journal.getHighestSequenceNumber("b"), -1);
  });

  waiting(3)("what waits for room is encoded at once", async (journal) => {
    const messages = range(0, 19).map((n) => ({ n }));
    const appends = messages.map((message) => journal.append("a", message));
    for (const message of messages) message.n = -1;
    await Promise.all(appends);
    assert.deepEqual(await messagesOf(journal), range(0, 19).map((n) => ({ n })));
  });

  waiting(3)(
    "what waits for room goes out when the journal closes",
    async (journal, { create }) => {
      const appends = range(0, 19).map((index) => journal.append("a", index));
      await journal.close();
      assert.deepEqual(await Promise.all(appends), range(0, 19));
      assert.deepEqual(await messagesOf(create()), range(0, 19));
    },
  );

  const counted = observed({ codec, maxPendingMessages: 3 });
  counted("stats tell what waits, and nothing waits in the end", async (
    journal,
    storage,
    provider,
  ) => {
    const release = storage.holdCommits();
    const appends = [
      journal.append("a", "x".repeat(10)),
      journal.appendBatch("b", ["x".repeat(5), "x".repeat(7)]),
      journal.append("a", "x"),
      journal.append("c", "x"),
    ];
    const { pending } = await provider.stats();
    assert.deepEqual({ ...pending }, { messages: 3, bytes: 22, waitingForRoom: 2 });
    release();
    await Promise.all(appends);
    const after = (await provider.stats()).pending;
    assert.deepEqual({ ...after }, { messages: 0, bytes: 0, waitingForRoom: 0 });
  });
}
