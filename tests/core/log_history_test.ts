import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { addressIn } from "../../core/format/actor_address.ts";
import { LOG_VERSION, positionIn } from "../../core/format/log_keys.ts";
import { decodeOrder } from "../../core/format/order_record.ts";
import { Collector } from "../../core/log/collector.ts";
import { Log } from "../../core/log/log.ts";
import { LogReader } from "../../core/log/log_reader.ts";
import type { MessageJournal } from "../../core/ports/journal.ts";
import type { WriteGroup } from "../../core/ports/storage.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import { collectLog } from "../conformance/collect_log.ts";
import { KeptOpenStorage } from "../conformance/observed_storage.ts";
import { EVERYTHING } from "../conformance/storage/fixture.ts";
import { test } from "../harness.ts";

const ACTORS = ["a", "b", "c"];
const PROCESSES = 3;
/** From 16 KiB on, entries stand in frames at once. */
const LENGTHS = [0, 10, 300, 1_500, 20_000, 40_000];

/** A journal as a user sees it. */
interface Journal {
  readonly messages: readonly string[];
  readonly lowest: number;
  readonly origin: number;
}

const NONE: Journal = { messages: [], lowest: 0, origin: 0 };

function nextOf({ messages, lowest }: Journal): number {
  return lowest + messages.length;
}

/** An entry that was read from the log. */
interface Logged {
  readonly actorId: string;
  readonly sequenceNumber: number;
}

/** An entry that was appended, and in which journal. */
interface Ordered extends Logged {
  readonly incarnation: number;
}

/** One step of a history: a call of a process, and what happens beside it. */
interface Step {
  readonly process: number;
  readonly actor: number;
  readonly call: "append" | "append to all" | "truncate" | "delete" | "erase" | "start";
  readonly count: number;
  readonly length: number;
  /** After how many commits the process dies, if it does, and whether the last one takes effect. */
  readonly dies: { readonly after: number; readonly takesEffect: boolean } | undefined;
  /** Who looks at it: the process itself, or one that has just been started. */
  readonly isReadAnew: boolean;
  /** How much of the log is collected afterwards, and whether who does it is then forgotten. */
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly collector: "new" | "goes on" | "dies after a commit";
}

const CALLS = [
  "append",
  "append",
  "append to all",
  "truncate",
  "delete",
  "erase",
  "start",
] as const;

const step: fc.Arbitrary<Step> = fc.record({
  process: fc.nat(PROCESSES - 1),
  actor: fc.nat(ACTORS.length - 1),
  call: fc.constantFrom(...CALLS),
  count: fc.integer({ min: 1, max: 4 }),
  length: fc.constantFrom(...LENGTHS),
  dies: fc.option(fc.record({ after: fc.nat(3), takesEffect: fc.boolean() }), {
    nil: undefined,
    freq: 4,
  }),
  isReadAnew: fc.boolean(),
  pieces: fc.oneof(fc.constant(0), fc.nat(4), fc.constant(50)),
  pieceBytes: fc.constantFrom(1, 500, 2_000, 30_000),
  collector: fc.constantFrom("new", "goes on", "dies after a commit"),
});

/** A storage on which a process dies after so many commits. */
class DyingStorage extends KeptOpenStorage {
  passing = Infinity;
  takesEffect = false;

  override async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    if (this.passing-- > 0) return await super.commit(groups);
    if (this.takesEffect && this.passing === -1) await super.commit(groups);
    throw new PersistenceError("REOPEN_REQUIRED", "Cannot commit: the process has died");
  }
}

interface Process {
  readonly storage: DyingStorage;
  readonly provider: PersistenceProvider;
  readonly journal: MessageJournal<string>;
}

/** Who collects the log beside the processes. */
interface Sweeper {
  readonly log: Log;
  readonly collector: Collector;
}

/** What several processes do on one database, one after the other. */
class History {
  readonly #database = new MemoryDatabase();
  readonly #processes: (Process | undefined)[] = [];
  readonly #journals = new Map<string, Journal>(ACTORS.map((actorId) => [actorId, NONE]));
  /** For each step, what it has appended, in the order of numbers. */
  readonly #order: Ordered[][] = [];
  #sweeper: Sweeper | undefined;
  #messages = 0;
  /** Reads the log from the beginning on, as it grows. */
  #follower: { readonly reader: LogReader; position: number } | undefined;

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await this.#call(step);
      await this.#collect(step);
      await this.#compare(step);
      await this.#assertFollowed(step);
      if (step.isReadAnew) await this.#assertLog(step.count);
    }
    await this.#assertLog(1_000);
    await collectLog(await this.#storage());
    for (const actorId of ACTORS) await this.#assertJournal(await this.#start(0), actorId);
    await this.#assertOrder();
    await this.#assertLog(2);
  }

  async #call(step: Step): Promise<void> {
    const process = this.#processes[step.process] ??= await this.#start(step.process);
    process.storage.passing = step.dies?.after ?? Infinity;
    process.storage.takesEffect = step.dies?.takesEffect ?? false;
    const actorIds = step.call === "append to all" ? ACTORS : ACTORS.slice(step.actor).slice(0, 1);
    const after = new Map<string, Journal>();
    const calls = actorIds.map((actorId) => this.#callOn(process, actorId, step, after));
    const outcomes = await Promise.allSettled(calls);
    process.storage.passing = Infinity;
    const died = outcomes.some(({ status }) => status === "rejected");
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      const isDeath = outcome.reason instanceof PersistenceError &&
        outcome.reason.code === "REOPEN_REQUIRED";
      if (!isDeath) throw outcome.reason;
    }
    if (died) this.#processes[step.process] = undefined;
    await this.#learn(actorIds, after, outcomes.map(({ status }) => status === "fulfilled"));
  }

  /** Calls, and tells what the journal is afterwards if that is carried out. */
  async #callOn(
    { provider, journal }: Process,
    actorId: string,
    { call, count, length }: Step,
    after: Map<string, Journal>,
  ): Promise<void> {
    const before = this.#journalOf(actorId);
    const { messages, lowest } = before;
    const next = nextOf(before);
    switch (call) {
      case "append":
      case "append to all": {
        const added = Array.from(
          { length: count },
          () => `${this.#messages++} ${"x".repeat(length)}`,
        );
        after.set(actorId, { ...before, messages: [...messages, ...added] });
        const numbers = await journal.appendBatch(actorId, added);
        assert.deepEqual(numbers, added.map((_, index) => next + index));
        return;
      }
      case "truncate": {
        const first = Math.min(next, lowest + count);
        after.set(actorId, { ...before, lowest: first, messages: messages.slice(first - lowest) });
        return await journal.truncateBefore(actorId, lowest + count);
      }
      case "delete":
        after.set(actorId, NONE);
        return await provider.deleteActor(actorId);
      case "erase":
        after.set(actorId, next === 0 ? NONE : { messages: [], lowest: next, origin: next });
        return await provider.eraseActor(actorId);
      case "start": {
        if (messages.length > 0) return after.set(actorId, before) && undefined;
        const at = next + count;
        after.set(actorId, { messages: [], lowest: at, origin: at });
        return await journal.startAt(actorId, at);
      }
    }
  }

  /** Finds out which calls have been carried out, and which entries that has added. */
  async #learn(
    actorIds: readonly string[],
    after: ReadonlyMap<string, Journal>,
    areDone: readonly boolean[],
  ): Promise<void> {
    const reader = await this.#start(0);
    const added: Ordered[] = [];
    for (const [index, actorId] of actorIds.entries()) {
      const before = this.#journalOf(actorId);
      const then = after.get(actorId) ?? assert.fail();
      const { highest, lowest, origin, incarnation } = await reader.journal.read(actorId, {
        limit: 1,
      });
      const isThen = highest === nextOf(then) - 1 && lowest === then.lowest &&
        origin === then.origin;
      assert.ok(isThen || !areDone[index], `a call for ${actorId} is lost`);
      if (!isThen) continue;
      this.#journals.set(actorId, then);
      if (then.lowest !== before.lowest) continue;
      for (let number = nextOf(before); number < nextOf(then); number++) {
        added.push({ actorId, sequenceNumber: number, incarnation });
      }
    }
    this.#order.push(added);
  }

  /** Collects so many pieces, as a process does that appends nothing. */
  async #collect({ pieces, pieceBytes, collector }: Step): Promise<void> {
    if (pieces === 0) return;
    const storage = await this.#storage();
    if (collector !== "goes on") this.#sweeper = undefined;
    const sweeper = this.#sweeper ??= await startSweeper(storage, pieceBytes);
    for (let left = pieces; left > 0; left--) {
      await sweeper.log.follow();
      const piece = await sweeper.collector.nextPiece(0);
      if (!piece) break;
      const conditions = [...sweeper.log.conditions, ...piece.conditions];
      const [applied] = await storage.commit([{ conditions, changes: piece.changes }]);
      // A process that collects by itself may have been faster.
      if (!applied) continue;
      if (left === 1 && collector === "dies after a commit") this.#sweeper = undefined;
      else piece.onCommitted();
    }
  }

  async #compare({ process, isReadAnew, actor }: Step): Promise<void> {
    const known = isReadAnew ? undefined : this.#processes[process];
    const reader = known ?? await this.#start(actor);
    for (const actorId of ACTORS) await this.#assertJournal(reader, actorId);
  }

  async #assertJournal({ journal }: Process, actorId: string): Promise<void> {
    const expected = this.#journalOf(actorId);
    const next = nextOf(expected);
    for (const reverse of [false, true]) {
      const { entries, lowest, highest, origin } = await journal.read(actorId, { reverse });
      assert.deepEqual([lowest, highest, origin], [expected.lowest, next - 1, expected.origin]);
      if (reverse) entries.reverse();
      assert.deepEqual(
        entries.map(({ sequenceNumber, message }) => [sequenceNumber, message]),
        expected.messages.map((message, index) => [lowest + index, message]),
      );
    }
    const from = Math.floor((expected.lowest + next) / 2);
    const some = await journal.readFrom(actorId, from);
    assert.deepEqual(
      some.map(({ message }) => message),
      expected.messages.slice(from - expected.lowest),
    );
  }

  /** Who follows the log reads what the last step has added, and nothing else. */
  async #assertFollowed({ count }: Step): Promise<void> {
    const follower = this.#follower ??= { reader: await this.#startReader(), position: 0 };
    const read: Logged[] = [];
    follower.position = await readLog(follower.reader, follower.position, count, read);
    assert.deepEqual(read.sort(byPlace), this.#order.at(-1)?.map(placeOf).sort(byPlace));
  }

  /** From the beginning, all that is still there is read in the order of its commits. */
  async #assertLog(maxCommits: number): Promise<void> {
    const { journal } = await this.#start(0);
    const retained = new Map<string, (entry: Ordered) => boolean>();
    for (const actorId of ACTORS) {
      const { incarnation, lowest } = await journal.read(actorId, { limit: 1 });
      retained.set(
        actorId,
        (entry) => entry.incarnation === incarnation && entry.sequenceNumber >= lowest,
      );
    }
    const read: Logged[] = [];
    await readLog(await this.#startReader(), 0, maxCommits, read);
    // Who was first of those that were called at once does not matter.
    for (const added of this.#order) {
      const expected = added.filter((entry) => retained.get(entry.actorId)?.(entry)).map(placeOf);
      const found = read.splice(0, expected.length);
      assert.deepEqual(found.sort(byPlace), expected.sort(byPlace));
    }
    assert.deepEqual(read, []);
  }

  async #startReader(): Promise<LogReader> {
    const storage = await this.#storage();
    return new LogReader(storage, await Log.open(storage));
  }

  /** What has been collected says in which order all entries were committed. */
  async #assertOrder(): Promise<void> {
    const storage = await this.#storage();
    const stored: Ordered[] = [];
    let end = 1;
    for (const { key, value, version } of storage.scan("log", EVERYTHING)) {
      assert.equal(version, LOG_VERSION.order, "only orders are left");
      const { firstPosition, actors, positions } = decodeOrder(key, value);
      assert.equal(firstPosition, end);
      end += positions.length;
      assert.equal(positionIn(key), end - 1);
      const next = actors.map(({ sequenceNumber }) => sequenceNumber);
      for (const runs of positions) {
        for (let at = 0; at < runs.length; at += 2) {
          const index = runs[at] ?? assert.fail();
          const { key: actorKey, incarnation } = actors[index] ?? assert.fail();
          const { actorId } = addressIn(actorKey) ?? assert.fail();
          for (let left = runs[at + 1] ?? 0; left > 0; left--) {
            const sequenceNumber = next[index] ?? assert.fail();
            next[index] = sequenceNumber + 1;
            stored.push({ actorId, sequenceNumber, incarnation });
          }
        }
      }
    }
    assert.equal(stored.length, this.#order.flat().length);
    const { journal } = await this.#start(0);
    const current = new Map<string, number>();
    for (const actorId of ACTORS) {
      current.set(actorId, (await journal.read(actorId, { limit: 1 })).incarnation);
    }
    // What matters is whether an entry is one of the journal that there is.
    const known = ({ actorId, sequenceNumber, incarnation }: Ordered) => ({
      actorId,
      sequenceNumber,
      isCurrent: incarnation === current.get(actorId),
    });
    // Who was first of those that were called at once does not matter.
    for (const added of this.#order) {
      assert.deepEqual(
        stored.splice(0, added.length).sort(byPlace).map(known),
        added.sort(byPlace).map(known),
      );
    }
  }

  #journalOf(actorId: string): Journal {
    return this.#journals.get(actorId) ?? assert.fail();
  }

  #storage(): Promise<MemoryStorage> {
    return MemoryStorage.open({ database: this.#database });
  }

  /** Some processes collect whenever they can. */
  async #start(process: number): Promise<Process> {
    const storage = new DyingStorage(await this.#storage());
    const options = process % 2 === 0 ? {} : { maxHotBytes: 1 };
    const provider = await PersistenceProvider.openOn(storage, options);
    return { storage, provider, journal: provider.createMessageJournal<string>() };
  }
}

async function startSweeper(storage: MemoryStorage, pieceBytes: number): Promise<Sweeper> {
  const log = await Log.open(storage);
  return {
    log,
    collector: new Collector(storage, log, 1, { takeoverMs: 0, minPieceBytes: pieceBytes }),
  };
}

/** Reads a log to its end. Returns the position from which it goes on. */
async function readLog(
  reader: LogReader,
  after: number,
  maxCommits: number,
  read: Logged[],
): Promise<number> {
  for (let position = after, highest = after;;) {
    const page = await reader.read(position, maxCommits);
    for (const { position, actor: { actorId }, first, count } of page.entries) {
      assert.ok(position > after && position >= highest && position <= page.position);
      highest = position;
      for (let index = 0; index < count; index++) {
        read.push({ actorId, sequenceNumber: first + index });
      }
    }
    if (page.isEnd) return page.position;
    assert.ok(page.position > position, "it goes on");
    position = page.position;
  }
}

function placeOf({ actorId, sequenceNumber }: Logged): Logged {
  return { actorId, sequenceNumber };
}

function byPlace(one: Logged, other: Logged): number {
  return one.actorId < other.actorId
    ? -1
    : one.actorId > other.actorId
    ? 1
    : one.sequenceNumber - other.sequenceNumber;
}

test("whatever processes do, die and collect: journals and their order are those of a plain model", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40, size: "max" }),
      (steps) => new History().run(steps),
    ),
    { numRuns: 60 },
  );
});
