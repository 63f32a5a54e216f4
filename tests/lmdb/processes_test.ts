import assert from "node:assert/strict";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import type { PersistenceProvider } from "../../core/provider.ts";
import { assertFails, range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { bun, currentRuntime, deno, type Runtime } from "../processes/runtimes.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { WriterJob, Written, WrittenMessage } from "./children/writer.ts";

const MESSAGES = 200;
const COMMON_ACTOR = ["common"];
const COMMON_ACTORS = ["1", "2", "3", "4"];

test("processes: two append to the same actor", () => appendTogether(2, () => COMMON_ACTOR));

test("processes: four append to the same actor", () => appendTogether(4, () => COMMON_ACTOR));

test("processes: four append to the same actors", () => appendTogether(4, () => COMMON_ACTORS));

test("processes: eight append to the same actors", () => appendTogether(8, () => COMMON_ACTORS));

test("processes: eight append to actors of their own", () =>
  appendTogether(8, (writer) => [`${writer}-1`, `${writer}-2`]));

test("processes: four append to actors of their own", () =>
  appendTogether(4, (writer) => [`${writer}-1`, `${writer}-2`]));

const runtimes = [currentRuntime, ...[bun, deno].filter((runtime) => runtime !== undefined)]
  .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);
const names = runtimes.map(({ name }) => name).join(", ");
if (runtimes.length > 1) {
  test(`processes: of different runtimes (${names}) append to the same actors`, () =>
    appendTogether(runtimes.length, () => COMMON_ACTORS, runtimes));
} else {
  test.skip("processes: of different runtimes (node_modules holds no other runtime)", () => {});
}

test("processes: those that state the expected number conflict and lose nothing", () =>
  withDirectory(async (path) => {
    const written = await writeTogether(path, 3, () => COMMON_ACTOR, {
      expecting: true,
      count: 100,
    });
    await assertWritten(path, written, () => COMMON_ACTOR);
    const conflicts = written.reduce((sum, writer) => sum + writer.conflicts, 0);
    assert.ok(conflicts > 0, "there were no conflicts");
  }));

test("processes: an expected number that another process has taken is a conflict", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<WrittenMessage>();
    const message = { writer: "this", index: 0 };
    await journal.append("common", message);
    await writeTogether(path, 1, () => COMMON_ACTOR, { count: 5 });
    await assertFails(
      () => journal.append("common", message, { expectedSequenceNumber: 1 }),
      "CONFLICT",
      { actorId: "common", sequenceNumber: 1, actualSequenceNumber: 6 },
    );
    await assertFails(
      () => journal.appendBatch("common", [message, message], { expectedSequenceNumber: 7 }),
      "CONFLICT",
      { actualSequenceNumber: 6 },
    );
    assert.equal(await journal.append("common", message, { expectedSequenceNumber: 6 }), 6);
  }));

test("processes: a reader sees what others have acknowledged, without opening anew", () =>
  withDirectory(async (path) => {
    await (await LmdbPersistenceProvider.open({ path })).close();
    for (const readOnly of [true, false]) {
      await using provider = await LmdbPersistenceProvider.open({ path, readOnly });
      const journal = provider.createMessageJournal<WrittenMessage>();
      const before = await journal.getHighestSequenceNumber("common");
      await using child = start({ path, writer: "child", reportsEach: true });
      await child.report();
      child.go();
      for (let seen = 0; seen < MESSAGES; seen++) {
        const { number } = await child.report<{ number: number }>();
        const [entry] = await journal.readFrom("common", number, { limit: 1 });
        assert.equal(entry?.sequenceNumber, number);
        assert.equal(entry.message.index, number - before - 1);
        assert.ok(await journal.getHighestSequenceNumber("common") >= number);
      }
    }
  }));

test("processes: all create the database at once", () =>
  withDirectory(async (directory) => {
    for (const round of range(1, 2)) {
      const path = `${directory}/new-${round}`;
      const children = range(1, 4).map((child) => start({ path, writer: `${child}`, count: 5 }));
      try {
        // None waits for the others here: each opens, creates and appends as soon as it can.
        for (const child of children) child.go();
        const written = await Promise.all(children.map(async (child) => {
          assert.equal(await child.report(), "ready");
          return await child.report<Written>();
        }));
        await assertWritten(path, written, () => COMMON_ACTOR);
      } finally {
        for (const child of children) await child[Symbol.asyncDispose]();
      }
    }
  }));

test("processes: one that is killed in the middle blocks nobody", () =>
  withDirectory(async (path) => {
    await using killed = start({ path, writer: "killed", count: 1_000_000, reportsEach: true });
    await using other = start({ path, writer: "other", count: 1_000_000, reportsEach: true });
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<WrittenMessage>();
    for (const child of [killed, other]) assert.equal(await child.report(), "ready");
    for (const child of [killed, other]) child.go();
    for (const child of [killed, other]) await child.report();
    await killed.kill();

    // Only what the other one reports after the kill counts.
    const highest = await journal.getHighestSequenceNumber("common");
    for (let number = -1; number < highest + 100;) {
      number = (await other.report<{ number: number }>()).number;
    }
    assert.ok(await journal.append("common", { writer: "this", index: 0 }) > highest);
    await other.kill();
    await journal.append("common", { writer: "this", index: 1 });
    const messages = await readConsecutive(provider, "common");
    for (const writer of ["killed", "other", "this"]) {
      const own = messages.filter((message) => message.writer === writer);
      assert.deepEqual(own.map(({ index }) => index), range(0, own.length - 1), writer);
    }
  }));

/** Has some processes append at the same time, and checks what is stored then. */
function appendTogether(
  count: number,
  actorIdsOf: (writer: string) => readonly string[],
  runtimes?: readonly Runtime[],
): Promise<void> {
  return withDirectory(async (path) => {
    const written = await writeTogether(path, count, actorIdsOf, {}, runtimes);
    await assertWritten(path, written, actorIdsOf);
  });
}

async function writeTogether(
  path: string,
  count: number,
  actorIdsOf: (writer: string) => readonly string[],
  job: Partial<WriterJob>,
  runtimes: readonly Runtime[] = [],
): Promise<Written[]> {
  const children = range(0, count - 1).map((index) => {
    const writer = `writer-${index}`;
    return start({ path, writer, actorIds: actorIdsOf(writer), ...job }, runtimes[index]);
  });
  try {
    for (const child of children) assert.equal(await child.report(), "ready");
    for (const child of children) child.go();
    const written = await Promise.all(children.map((child) => child.report<Written>()));
    for (const child of children) {
      const { code, errors } = await child.ended;
      assert.equal(code, 0, errors);
    }
    return written;
  } finally {
    for (const child of children) await child[Symbol.asyncDispose]();
  }
}

function start(
  job: Pick<WriterJob, "path" | "writer"> & Partial<WriterJob>,
  runtime?: Runtime,
): Child {
  const whole: WriterJob = { actorIds: COMMON_ACTOR, count: MESSAGES, ...job };
  return new Child("lmdb/children/writer", whole, { runtime });
}

/** Each message is there once, with the number that its writer got, in the order of its writer. */
async function assertWritten(
  path: string,
  written: readonly Written[],
  actorIdsOf: (writer: string) => readonly string[],
): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  const stored = new Map<string, WrittenMessage[]>();
  for (const actorId of new Set(written.flatMap(({ writer }) => actorIdsOf(writer)))) {
    const messages = await readConsecutive(provider, actorId);
    stored.set(actorId, messages);
    for (const { writer } of written) {
      const indexes = messages.filter((message) => message.writer === writer)
        .map(({ index }) => index);
      assert.deepEqual(indexes, [...indexes].sort((a, b) => a - b), `${writer} in ${actorId}`);
    }
  }
  let expected = 0;
  for (const { writer, numbers } of written) {
    const actorIds = actorIdsOf(writer);
    expected += numbers.length;
    for (const [index, number] of numbers.entries()) {
      const actorId = actorIds[index % actorIds.length] ?? "";
      assert.deepEqual(stored.get(actorId)?.[number], { writer, index }, `${actorId} ${number}`);
    }
  }
  const total = [...stored.values()].reduce((sum, messages) => sum + messages.length, 0);
  assert.equal(total, expected);
}

async function readConsecutive(
  provider: PersistenceProvider,
  actorId: string,
): Promise<WrittenMessage[]> {
  const entries = await provider.createMessageJournal<WrittenMessage>().readFrom(actorId, 0);
  const numbers = entries.map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, range(0, entries.length - 1), actorId);
  return entries.map(({ message }) => message);
}
