import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import type { MessageJournal } from "../../core/ports/journal.ts";
import { assertFails, outcomesOf } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { StandingReaderJob } from "./children/standing_reader.ts";

const MAP_SIZE = 4 << 20;
const BODY = "y".repeat(4_000);
const HOLD_MS = 60_000;
/** Far more than fits. */
const APPENDS = 3_000;

for (const readOnly of [true, false]) {
  const how = readOnly ? "read-only" : "for writing";
  test(`standing reader: in a process that has it open ${how}, it does not let the file grow`, () =>
    withFilled(async (path, provider) => {
      const journal = provider.createMessageJournal<string>();
      assert.equal((await provider.stats()).storage.oldestReader, undefined);
      await using child = startReader({ path, readOnly, holdMs: HOLD_MS });
      const processId = await child.report<number>();
      const error = await assertFails(() => churn(journal), "STORAGE_FULL");
      assert.ok(error.message.includes(`process ${processId}`), error.message);
      const { oldestReader } = (await provider.stats()).storage;
      assert.equal(oldestReader?.processId, processId);
      assert.ok(oldestReader.transactions > 50, `${oldestReader.transactions} transactions`);
      await assertSizeWithin(path, 1.25);

      // Truncation goes on, but frees nothing for now.
      const highest = await journal.getHighestSequenceNumber("a");
      await journal.truncateBefore("a", highest);
      await assertFails(() => journal.append("a", BODY), "STORAGE_FULL");

      // As soon as it is dead, there is room.
      await child.kill();
      assert.equal(await journal.append("a", BODY), highest + 1);
      assert.equal((await provider.stats()).storage.oldestReader, undefined);
      await churn(journal);
      await assertSizeWithin(path, 1.25);
    }));
}

test("standing reader: many truncations let the file grow to twice the limit, not more", () =>
  withFilled(async (path, provider) => {
    const journal = provider.createMessageJournal<string>();
    for (;;) {
      const [outcome] = await outcomesOf([journal.append("a", BODY)]);
      if (outcome === "STORAGE_FULL") break;
    }
    await using child = startReader({ path, readOnly: true, holdMs: HOLD_MS });
    const processId = await child.report<number>();
    let first = 1;
    const error = await assertFails(async () => {
      for (; first < APPENDS; first++) await journal.truncateBefore("a", first);
    }, "STORAGE_FULL");
    assert.ok(error.message.includes(`process ${processId}`), error.message);
    assert.ok(first > 50, `${first} truncations`);
    await assertSizeWithin(path, 2.1);
    await child.kill();
    await journal.truncateBefore("a", Number.MAX_SAFE_INTEGER);
    await churn(journal);
    await assertSizeWithin(path, 2.1);
  }));

test("standing reader: once it goes on, there is room", () =>
  withFilled(async (path, provider) => {
    const journal = provider.createMessageJournal<string>();
    await using child = startReader({ path, readOnly: true, holdMs: 3_000 });
    await child.report<number>();
    await assertFails(() => churn(journal), "STORAGE_FULL");
    await child.ended;
    await churn(journal);
    await assertSizeWithin(path, 1.25);
  }));

test("standing reader: one that is stopped does not let the file grow", () =>
  withFilled(async (path, provider) => {
    const journal = provider.createMessageJournal<string>();
    await using child = startReader({ path, readOnly: true, holdMs: 500 });
    const processId = await child.report<number>();
    process.kill(processId, "SIGSTOP");
    const error = await assertFails(() => churn(journal), "STORAGE_FULL");
    assert.ok(error.message.includes(`process ${processId}`), error.message);
    process.kill(processId, "SIGCONT");
    await child.ended;
    await churn(journal);
    await assertSizeWithin(path, 1.25);
  }));

test("standing reader: several, the oldest is named", () =>
  withFilled(async (path, provider) => {
    const journal = provider.createMessageJournal<string>();
    await using older = startReader({ path, readOnly: true, holdMs: HOLD_MS });
    const oldest = await older.report<number>();
    for (let count = 0; count < 20; count++) await journal.append("b", "more");
    await using newer = startReader({ path, readOnly: false, holdMs: HOLD_MS });
    const other = await newer.report<number>();
    await journal.append("b", "more");
    assert.equal((await provider.stats()).storage.oldestReader?.processId, oldest);
    await older.kill();
    assert.equal((await provider.stats()).storage.oldestReader?.processId, other);
  }));

test("standing reader: one that has just begun holds up nobody", () =>
  withFilled(async (path, provider) => {
    const journal = provider.createMessageJournal<string>();
    await churn(journal);
    await using child = startReader({ path, readOnly: true, holdMs: HOLD_MS });
    await child.report<number>();
    // What was free before it began can be used.
    const free = MAP_SIZE - (await provider.stats()).storage.usedBytes;
    const appends = Math.floor(free / 5 / 8_192);
    assert.ok(appends > 10, `room for ${appends}`);
    const outcomes = await outcomesOf(
      Array.from({ length: appends }, () => journal.append("c", BODY)),
    );
    assert.deepEqual(outcomes, Array.from({ length: appends }, (_, number) => number));
  }));

/** Runs a test with a database that is filled in part. */
function withFilled(
  run: (path: string, provider: LmdbPersistenceProvider) => Promise<void>,
): Promise<void> {
  return withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({
      path,
      mapSize: MAP_SIZE,
      durability: "none",
    });
    const journal = provider.createMessageJournal<string>();
    for (let count = 0; count < 100; count++) await journal.append("a", BODY);
    await run(path, provider);
  });
}

/** Appends and truncates, so that the data stays small. */
async function churn(journal: MessageJournal<string>): Promise<void> {
  for (let count = 0; count < APPENDS; count++) {
    const number = await journal.append("a", BODY);
    if (number % 50 === 0) await journal.truncateBefore("a", Math.max(number - 20, 0));
  }
}

function startReader(job: StandingReaderJob): Child {
  return new Child("lmdb/children/standing_reader", job);
}

async function assertSizeWithin(path: string, tolerance: number): Promise<void> {
  const { size } = await stat(join(path, "data.mdb"));
  assert.ok(size <= tolerance * MAP_SIZE, `${size} bytes instead of ${MAP_SIZE}`);
}
