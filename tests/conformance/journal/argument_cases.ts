import assert from "node:assert/strict";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import { assertFails, assertRefused, assertThrowsRefused, casesOf, range } from "../fixture.ts";
import {
  AWKWARD_IDS,
  bad,
  BAD_BOUNDS,
  BAD_IDS,
  BAD_NUMBERS,
  BAD_OPTIONS,
  LONGEST_IDS,
  randomIds,
} from "../ids.ts";
import {
  type JournalKind,
  messagesOf,
  numbersOf,
  replayedOf,
  withJournal,
  withObserved,
} from "./fixture.ts";
import { withRandom } from "../random.ts";
import type { ConformanceOptions } from "../types.ts";

type Journal = MessageJournal<unknown>;

/** Every method that takes an actor id. */
const CALLS: Readonly<Record<string, (journal: Journal, actorId: string) => Promise<unknown>>> = {
  append: (journal, actorId) => journal.append(actorId, "x"),
  appendBatch: (journal, actorId) => journal.appendBatch(actorId, ["x", "y"]),
  "appendBatch of nothing": (journal, actorId) => journal.appendBatch(actorId, []),
  read: (journal, actorId) => journal.read(actorId),
  readFrom: (journal, actorId) => journal.readFrom(actorId, 0),
  replay: (journal, actorId) => iterate(journal.replay(actorId, 0)),
  follow: (journal, actorId) => nextOf(journal.follow(actorId, 0)),
  truncateBefore: (journal, actorId) => journal.truncateBefore(actorId, 1),
  startAt: (journal, actorId) => journal.startAt(actorId, 9),
  getHighestSequenceNumber: (journal, actorId) => journal.getHighestSequenceNumber(actorId),
};

/** Every argument that takes a bound of sequence numbers. */
const BOUNDS: Readonly<Record<string, (journal: Journal, number: number) => Promise<unknown>>> = {
  "the from of read": (journal, from) => journal.read("a", { from }),
  "read's to": (journal, to) => journal.read("a", { to }),
  "follow's fromSequenceNumber": (journal, number) => nextOf(journal.follow("a", number)),
  "readFrom's fromSequenceNumber": (journal, number) => journal.readFrom("a", number),
  "readFrom's to": (journal, to) => journal.readFrom("a", 0, { to }),
  "replay's fromSequenceNumber": (journal, number) => replayedOf(journal, number),
  "replay's to": (journal, to) => replayedOf(journal, 0, { to }),
};

/** Every argument that takes a sequence number, or a number of entries. */
const NUMBERS: Readonly<Record<string, (journal: Journal, number: number) => Promise<unknown>>> = {
  "read's limit": (journal, limit) => journal.read("a", { limit }),
  "readFrom's limit": (journal, limit) => journal.readFrom("a", 0, { limit }),
  "replay's limit": (journal, limit) => replayedOf(journal, 0, { limit }),
  "follow's pollMs": (journal, pollMs) => nextOf(journal.follow("a", 0, { pollMs })),
  "startAt's sequenceNumber": (journal, number) => journal.startAt("b", number),
  "truncateBefore's sequenceNumber": (journal, number) => journal.truncateBefore("a", number),
};

/** Every argument that takes a sequence number, or a word for what is expected of a journal. */
const EXPECTATIONS: typeof NUMBERS = {
  "append's expectedSequenceNumber": (journal, expectedSequenceNumber) =>
    journal.append("a", "x", { expectedSequenceNumber }),
  "appendBatch's expectedSequenceNumber": (journal, expectedSequenceNumber) =>
    journal.appendBatch("a", ["x"], { expectedSequenceNumber }),
};

const BAD_EXPECTED: typeof BAD_NUMBERS = [
  ...BAD_NUMBERS.filter(([, value]) => typeof value !== "string"),
  ...["1", "", "Empty", "exist", "none"].map((text) => [`"${text}"`, text, "range"] as const),
];

/** Every method that takes options. */
const OPTIONS: Readonly<Record<string, (journal: Journal, options: object) => Promise<unknown>>> = {
  append: (journal, options) => journal.append("a", "x", options),
  appendBatch: (journal, options) => journal.appendBatch("a", ["x"], options),
  read: (journal, options) => journal.read("a", options),
  readFrom: (journal, options) => journal.readFrom("a", 0, options),
  replay: (journal, options) => replayedOf(journal, 0, options),
  follow: (journal, options) => nextOf(journal.follow("a", 0, options)),
};

/** Registers the cases about arguments that are refused. */
export function describeBadArguments(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} arguments`, withJournal(kind));

  /** Registers a case with a journal of two messages, which must be all that is there afterwards. */
  const unharmed = (name: string, run: (journal: Journal) => Promise<unknown>) =>
    check(name, async (journal, { storage }) => {
      await journal.appendBatch("a", ["0", "1"]);
      const before = { ...(await storage.stats()).entries };
      await run(journal);
      assert.deepEqual({ ...(await storage.stats()).entries }, before);
      assert.deepEqual(await messagesOf(journal), ["0", "1"]);
      assert.equal(await journal.append("a", "2"), 2);
    });

  for (const [name, call] of Object.entries(CALLS)) {
    unharmed(`${name} refuses every bad actor id`, async (journal) => {
      for (const [, actorId, type] of BAD_IDS) {
        await assertRefused(() => call(journal, bad(actorId)), type);
      }
    });
  }

  check("a bad actor id does not disturb the appends around it", async (journal) => {
    for (const [index, [name, actorId, type]] of BAD_IDS.entries()) {
      const around = [journal.append("a", name)];
      const refused = assertRefused(() => journal.append(bad(actorId), "x"), type);
      around.push(journal.append("a", name));
      await refused;
      assert.deepEqual(await Promise.all(around), [2 * index, 2 * index + 1]);
    }
    assert.deepEqual(await messagesOf(journal), BAD_IDS.flatMap(([name]) => [name, name]));
  });

  const numbers = [
    ...Object.entries(NUMBERS).map(([name, call]) => ({ name, call, values: BAD_NUMBERS })),
    ...Object.entries(BOUNDS).map(([name, call]) => ({ name, call, values: BAD_BOUNDS })),
    ...Object.entries(EXPECTATIONS).map(([name, call]) => ({ name, call, values: BAD_EXPECTED })),
  ];
  for (const { name, call, values } of numbers) {
    unharmed(`${name} refuses what is no such number`, async (journal) => {
      for (const [what, number, type] of values) {
        const { message } = await assertRefused(() => call(journal, bad(number)), type);
        if (type === "range") assert.ok(message.includes(String(number)), `${what}: ${message}`);
      }
    });
  }

  unharmed("a sequence number that must be stated must not be left out", async (journal) => {
    await assertRefused(() => journal.readFrom("a", bad(undefined)), "type");
    await assertRefused(() => journal.truncateBefore("a", bad(undefined)), "type");
    const replay = async () => {
      for await (const _ of journal.replay("a", bad(undefined))) assert.fail();
    };
    await assertRefused(replay, "type");
  });

  check("options that are undefined are as if left out", async (journal) => {
    assert.equal(await journal.append("a", "0", undefined), 0);
    const none = { expectedSequenceNumber: undefined, signal: undefined };
    assert.equal(await journal.append("a", "1", bad(none)), 1);
    assert.deepEqual(await journal.appendBatch("a", ["2"], bad(none)), [2]);
    const all = { to: undefined, limit: undefined, signal: undefined, reverse: undefined };
    assert.deepEqual(await numbersOf(journal, 0, bad(all)), [0, 1, 2]);
    assert.deepEqual(await replayedOf(journal, 0, bad(all)), [0, 1, 2]);
    const { entries } = await journal.read(
      "a",
      bad({ ...all, from: undefined, signal: undefined }),
    );
    assert.equal(entries.length, 3);
  });

  for (const [name, call] of Object.entries(OPTIONS)) {
    unharmed(`${name} refuses options that are no object`, async (journal) => {
      for (const [, value] of BAD_OPTIONS) {
        await assertRefused(() => call(journal, bad(value)), "type");
      }
    });

    if (name.startsWith("read")) {
      unharmed(`${name} refuses a direction that is no boolean`, async (journal) => {
        for (const reverse of ["true", 1, {}, null]) {
          await assertRefused(() => call(journal, { reverse }), "type");
        }
      });
      continue;
    }
    if (name.startsWith("append")) {
      unharmed(`${name} refuses a receipt that is no boolean`, async (journal) => {
        for (const receipt of ["true", 1, {}, null]) {
          await assertRefused(() => call(journal, { receipt }), "type");
        }
      });
    }
    unharmed(`${name} refuses a signal that is none`, async (journal) => {
      for (const signal of ["signal", 5, true, {}, null]) {
        await assertRefused(() => call(journal, { signal }), "type");
      }
    });
  }

  unharmed("appendBatch refuses messages that are no array", async (journal) => {
    const values = [undefined, null, "messages", 5, {}, new Set(["x"]), { length: 1, 0: "x" }];
    for (const messages of values) {
      await assertRefused(() => journal.appendBatch("a", bad(messages)), "type");
    }
  });

  unharmed("replay without iterating does nothing", (journal) => {
    journal.replay("a", 0);
    journal.replay("", NaN);
    journal.follow("", NaN);
    return Promise.resolve();
  });
}

/** Registers the cases about actor ids that are good. */
export function describeActorIds(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} actor ids`, withJournal(kind));

  check("awkward ids are distinct and isolated", (journal) => assertIsolated(journal, AWKWARD_IDS));

  check("ids of exactly 512 bytes are taken", (journal) => assertIsolated(journal, LONGEST_IDS));

  check(
    "1,000 random Unicode ids side by side are distinct and isolated",
    (journal) =>
      withRandom(options.seed, (random) => assertIsolated(journal, randomIds(random, 1_000))),
  );

  check("a bound journal serves its actor", async (journal, { create }) => {
    const bound = create<string>("a");
    assert.equal(await bound.append("a", "x"), 0);
    assert.deepEqual(await bound.appendBatch("a", ["y", "z"]), [1, 2]);
    assert.deepEqual(await messagesOf(bound), ["x", "y", "z"]);
    assert.deepEqual(await replayedOf(bound), [0, 1, 2]);
    await bound.truncateBefore("a", 1);
    assert.equal(await bound.getHighestSequenceNumber("a"), 2);
    assert.deepEqual(await messagesOf(journal), ["y", "z"]);
  });

  for (const [name, call] of Object.entries(CALLS)) {
    check(`a bound journal refuses another actor in ${name}`, async (journal, { create }) => {
      const bound = create("a");
      await journal.appendBatch("b", ["x"]);
      for (const actorId of ["b", "A", "a\0", "aa", ""]) {
        await assertRefused(() => call(bound, actorId), "range");
      }
      await assertRefused(() => call(bound, bad(5)), "type");
      assert.equal(await journal.getHighestSequenceNumber("b"), 0);
      assert.deepEqual(await messagesOf(journal, "b"), ["x"]);
    });
  }

  check("a journal cannot be bound to a bad actor id", (_, { create }) => {
    for (const [, actorId, type] of BAD_IDS) {
      if (actorId !== undefined) assertThrowsRefused(() => create(bad(actorId)), type);
    }
    return Promise.resolve();
  });
}

/** Registers the cases about `close`. */
export function describeClosing(options: ConformanceOptions, kind: JournalKind): void {
  const check = casesOf(options, `${kind.name} close`, withJournal(kind));
  const observed = casesOf(options, `${kind.name} close`, withObserved(kind));

  for (const [name, call] of Object.entries(CALLS)) {
    check(`afterwards ${name} rejects with CLOSED`, async (journal, { create }) => {
      await journal.append("a", "x");
      const closed = journal.close();
      await assertFails(() => call(journal, "a"), "CLOSED");
      await closed;
      await assertFails(() => call(journal, "a"), "CLOSED");
      assert.deepEqual(await messagesOf(create()), ["x"]);
    });

    check(
      `after the provider was closed ${name} rejects with CLOSED`,
      async (journal, { provider, create }) => {
        await journal.append("a", "x");
        const unused = create();
        const closed = provider.close();
        await assertFails(() => call(journal, "a"), "CLOSED");
        await closed;
        await assertFails(() => call(journal, "a"), "CLOSED");
        await assertFails(() => call(unused, "a"), "CLOSED");
      },
    );
  }

  check("it waits for what was accepted", async (journal, { create }) => {
    let settled = 0;
    const calls = [
      ...range(0, 49).map((index) => journal.append("a", index)),
      journal.appendBatch("b", range(0, 9)),
      journal.truncateBefore("a", 10),
    ].map((call) => Promise.resolve(call).then(() => settled++));
    await journal.close();
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(settled, calls.length);
    assert.deepEqual(await numbersOf(create()), range(10, 49));
  });

  observed("it resolves only after the commit that carries what was accepted", async (
    journal,
    storage,
  ) => {
    const release = storage.holdCommits();
    const calls = [journal.append("a", 0), journal.truncateBefore("a", 1)];
    await storage.commitHeld();
    let closed = false;
    const closing = journal.close().then(() => closed = true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(closed, false);
    release();
    await Promise.all([closing, ...calls]);
  });

  check(
    "it is idempotent, at once and one after the other, and dispose is the same",
    async (journal) => {
      const appended = journal.append("a", "x");
      await Promise.all([journal.close(), journal.close(), journal[Symbol.asyncDispose]()]);
      await journal.close();
      await journal[Symbol.asyncDispose]();
      assert.equal(await appended, 0);
    },
  );

  check(
    "it closes neither the provider nor other journals, of the same actor or not",
    async (journal, { create, provider }) => {
      const other = create<string>();
      const waiting = other.append("a", "0");
      await journal.close();
      assert.equal(await waiting, 0);
      assert.equal(await other.append("a", "1"), 1);
      assert.equal(await create<string>().append("b", "0"), 0);
      assert.equal(await provider.isHealthy(), true);
    },
  );

  check("it resolves although what was accepted fails", async (journal) => {
    const failing = assertFails(
      () => journal.append("a", "x", { expectedSequenceNumber: 5 }),
      "CONFLICT",
    );
    await journal.close();
    await failing;
  });

  check("a bad argument after close is CLOSED, too: nothing else can help", async (journal) => {
    await journal.close();
    await assertFails(() => journal.append("a", () => {}), "CLOSED");
  });
}

async function iterate(entries: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of entries);
}

async function nextOf(entries: AsyncIterable<unknown>): Promise<unknown> {
  return await entries[Symbol.asyncIterator]().next();
}

async function assertIsolated(journal: Journal, ids: readonly string[]): Promise<void> {
  const first = await Promise.all(ids.map((id) => journal.append(id, `0 of ${id}`)));
  assert.deepEqual(first, ids.map(() => 0));
  const batches = await Promise.all(ids.map((id) => journal.appendBatch(id, [`1 of ${id}`, id])));
  assert.deepEqual(batches, ids.map(() => [1, 2]));
  const odd = ids.filter((_, index) => index % 2 === 1);
  await Promise.all(odd.map((id) => journal.truncateBefore(id, 2)));
  await Promise.all(ids.map(async (id, index) => {
    const expected = index % 2 === 1 ? [id] : [`0 of ${id}`, `1 of ${id}`, id];
    assert.deepEqual(await messagesOf(journal, id), expected);
    assert.equal(await journal.getHighestSequenceNumber(id), 2);
  }));
}
