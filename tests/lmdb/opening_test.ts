import assert from "node:assert/strict";
import { mkdir, readdir, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { CommitGuard } from "../../adapters/lmdb/opening_lock.ts";
import { isBusy, Presence } from "../../adapters/lmdb/presence.ts";
import { LmdbPersistenceProvider, type LmdbProviderOptions } from "../../adapters/lmdb/mod.ts";
import type { PersistenceErrorCode } from "../../core/errors/persistence_error.ts";
import { assertFails, range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child, type ChildOptions } from "../processes/child.ts";
import { bun, currentRuntime, deno, type Runtime } from "../processes/runtimes.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { Attempt, OpenerJob } from "./children/opener.ts";
import type { OwnerJob } from "./children/presence_owner.ts";

const OPENINGS = 40;
/** Long enough for whatever is not held up. */
const AMPLE_MS = 30_000;
/** Time in which somebody who does not wait would have gone on. */
const MOMENT_MS = 100;
/** Enough to be taken for a burst. */
const COMMITS = 40;
const HOUR_MS = 3_600_000;
/** So many that asking one after the other, or leaving what they had open, would be noticed. */
const MANY = 140;

const runtimes = [currentRuntime, bun, deno].filter((runtime) => runtime !== undefined)
  .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);

for (const readOnly of [false, true]) {
  const how = readOnly ? "read-only" : "for writing";
  test(`opening: by another process ${how}, again and again, undoes nothing`, () =>
    withDirectory(async (path) => {
      await using provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<string>();
      const job: OpenerJob = { attempts: Array(OPENINGS).fill({ path, readOnly }) };
      await using child = new Child("lmdb/children/opener", job);
      let isOver = false;
      void child.ended.then(() => isOver = true);
      // The opener appends to "a", too.
      let next = 0;
      while (!isOver) {
        assert.equal(await journal.append("b", `message ${next}`), next);
        next++;
      }
      assert.equal((await child.ended).code, 0);
      const entries = await journal.readFrom("b", 0);
      assert.equal(entries.length, next);
      assert.ok(entries.every(({ message }, index) => message === `message ${index}`));
      const written = await journal.getHighestSequenceNumber("a");
      assert.equal(written, readOnly ? -1 : OPENINGS - 1);
    }));
}

test("opening: none of its files is left when all have closed", () =>
  withDirectory(async (path) => {
    const provider = await LmdbPersistenceProvider.open({ path });
    await provider.createMessageJournal().append("a", 1);
    await provider.close();
    await assertOnlyData(path);
  }));

test("opening: works in a directory whose path is longer than that of a socket may be", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "long".repeat(40));
    const provider = await LmdbPersistenceProvider.open({ path });
    await provider.createMessageJournal().append("a", 1);
    assert.equal(await outcomeOfOpening({ path }), "read 1, wrote 1");
    await using killed = await own({ path, count: 1, commits: true });
    await killed.child.kill();
    assert.equal(await outcomeOfOpening({ path }), "read 1, wrote 2");
    await provider.close();
    await assertOnlyData(path);
  }));

for (const runtime of runtimes) {
  test(`opening: what many dead owners on ${runtime.name} have left is removed at once`, () =>
    withDirectory(async (path) => {
      await using killed = await own({ path, count: MANY, commits: true, opens: true }, {
        runtime,
      });
      await killed.child.kill();
      assert.equal((await readdir(path)).length, MANY + 1);
      await openAndAppend(path);
      await assertOnlyData(path);
    }));

  test(`opening: a commit of a living owner on ${runtime.name} is waited for`, () =>
    withDirectory(async (path) => {
      await using owner = await own({ path, count: 1, commits: true }, { runtime });
      let isOpen = false;
      const opening = openAndAppend(path).then(() => isOpen = true);
      await moment();
      assert.equal(isOpen, false);
      owner.child.go();
      assert.equal(await owner.child.report(), "idle");
      await opening;
    }));

  test(`opening: commits wait for a living opener on ${runtime.name}, not for a dead one`, () =>
    withDirectory(async (path) => {
      await using provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<number>();
      await using first = await own({ path, count: 1, opens: true }, { runtime });
      await using second = await own({ path, count: 1, opens: true }, { runtime });
      let isAppended = false;
      const appended = journal.append("a", 1).then((number) => {
        isAppended = true;
        return number;
      });
      await moment();
      await first.child.kill();
      while ((await readdir(join(path, ".opening"))).length > 1) await moment();
      assert.equal(isAppended, false);
      assert.deepEqual(await readdir(join(path, ".opening")), second.names);
      await second.child.kill();
      assert.equal(await appended, 0);
      assert.equal((await readdir(path)).includes(".opening"), false);
    }));
}

if (deno) {
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-ffi"];
  const restricted = { runtime: deno, permissions };

  test("opening: a Deno that may not use the network knows who is alive among its like", () =>
    withDirectory(async (path) => {
      await using killed = await own({ path, count: 3, commits: true, opens: true }, restricted);
      await killed.child.kill();
      assert.equal(await outcomeOfOpening({ path }, restricted), "read undefined, wrote 0");
      await assertOnlyData(path);
      await using living = await own({ path, count: 1, commits: true }, restricted);
      const options = { path, commitTimeoutMs: 500 };
      assert.equal(await outcomeOfOpening(options, restricted), "OPEN_FAILED");
      living.child.go();
      assert.equal(await living.child.report(), "idle");
      assert.equal(await outcomeOfOpening({ path }, restricted), "read new, wrote 1");
    }));

  test("opening: who cannot be asked counts as alive, and the error says what to remove", () =>
    withDirectory(async (path) => {
      const askers = [restricted, ...runtimes.filter(({ name }) => name !== "deno").map(asOptions)];
      // Deno asks by locks, the others by sockets.
      for (const [index, asker] of askers.entries()) {
        const owner = index === 0 ? askers[1] : restricted;
        if (!owner) continue;
        await using killed = await own({ path, count: 1, commits: true }, owner);
        await killed.child.kill();
        const options = { path, commitTimeoutMs: 500 };
        const { outcome, message = "" } = await attempt(options, asker);
        assert.equal(outcome, "OPEN_FAILED");
        const [name = ""] = killed.names;
        assert.ok(message.includes(name) && message.includes("remove that file"), message);
        await rm(join(path, name));
        assert.match(await outcomeOfOpening({ path }, asker), /^read /);
      }
    }));
}

test("opening: a stopped process in the middle of a commit is named, and nobody goes on", () =>
  withDirectory(async (path) => {
    await openAndAppend(path);
    await using owner = await own({ path, count: 1, commits: true });
    owner.child.signal("SIGSTOP");
    const options = { path, commitTimeoutMs: 500 };
    for (const _ of range(1, 2)) {
      await assertNamed(owner, () => LmdbPersistenceProvider.open(options), "OPEN_FAILED");
    }
    assert.deepEqual((await readdir(path)).sort(), [...owner.names, "data.mdb", "lock.mdb"]);
    owner.child.signal("SIGCONT");
    owner.child.go();
    assert.equal(await owner.child.report(), "idle");
    assert.equal(await outcomeOfOpening({ path }), "read 1, wrote 1");
  }));

test("opening: a stopped opener is named, and nothing is committed until it is over", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path, commitTimeoutMs: 500 });
    const journal = provider.createMessageJournal<number>();
    await using owner = await own({ path, count: 1, opens: true });
    owner.child.signal("SIGSTOP");
    for (const _ of range(1, 2)) {
      await assertNamed(owner, () => journal.append("a", 1), "STORAGE_FAILED");
    }
    assert.deepEqual(await readdir(join(path, ".opening")), owner.names);
    assert.equal(await journal.getHighestSequenceNumber("a"), -1);
    const { openingWaits } = (await provider.stats()).storage;
    assert.ok(openingWaits && openingWaits.count === 2 && openingWaits.totalMs > 0);
    await owner.child.kill();
    assert.equal(await journal.append("a", 1), 0);
  }));

test("opening: a process that is stopped after a commit holds up nobody", () =>
  withDirectory(async (path) => {
    await using writer = new Child("lmdb/children/writer", {
      path,
      writer: "stopped",
      actorIds: ["b"],
      count: 1,
      reportsEach: true,
      staysOpen: true,
    });
    assert.equal(await writer.report(), "ready");
    writer.go();
    await writer.report();
    writer.signal("SIGSTOP");
    await openAndAppend(path);
  }));

test("opening: a process id that is used again, or a clock that was set, misleads nobody", () =>
  withDirectory(async (path) => {
    for (const stepMs of [-3 * HOUR_MS, 0, 3 * HOUR_MS]) {
      await using dead = await own({ path, count: 1, commits: true, opens: true });
      await using living = await own({ path, count: 1, commits: true, opens: true });
      await dead.child.kill();
      // The id of the dead one now belongs to a living process.
      const [name = ""] = dead.names;
      const forged = name.replace(`-${dead.child.pid}-`, `-${process.ppid}-`);
      assert.notEqual(forged, name);
      for (const directory of [path, join(path, ".opening")]) {
        await rename(join(directory, name), join(directory, forged));
      }
      const time = new Date(Date.now() + stepMs);
      for (const lock of [forged, ...living.names]) {
        await utimes(join(path, ".opening", lock), time, time);
      }
      const options = { path, commitTimeoutMs: 500 };
      await assertNamed(living, () => LmdbPersistenceProvider.open(options), "OPEN_FAILED");
      assert.deepEqual(await readdir(join(path, ".opening")), living.names);
      assert.equal((await readdir(path)).includes(forged), false);
      await living.child.kill();
      await openAndAppend(path);
      await assertOnlyData(path);
    }
  }));

test("opening: without its presence a process commits no more", () =>
  withDirectory(async (path) => {
    await using provider = await LmdbPersistenceProvider.open({ path });
    const journal = provider.createMessageJournal<number>();
    await journal.append("a", 1);
    for (const name of await readdir(path)) {
      if (name.startsWith(".presence-")) await rm(join(path, name));
    }
    await assertFails(() => journal.append("a", 2), "REOPEN_REQUIRED");
    assert.equal(await journal.getHighestSequenceNumber("a"), 0);
  }));

test("opening: after each of many commits in a row the mark is taken back, at once", () =>
  withDirectory(async (path) => {
    const presence = await Presence.create(path);
    const guard = new CommitGuard(path, presence, AMPLE_MS);
    // A process that is stopped, or computes, after any of them must hold up nobody.
    for (let commit = 0; commit < COMMITS; commit++) {
      await guard.begin();
      assert.equal(await isBusy(path, presence.name), true);
      await guard.end();
      assert.equal(await isBusy(path, presence.name), false);
    }
    for (let commit = 0; commit < COMMITS; commit++) {
      await guard.begin();
      await guard.end();
    }
    assert.equal(await isBusy(path, presence.name), false);
    await guard.close();
  }));

interface Owner extends AsyncDisposable {
  readonly child: Child;
  /** The names of its presences. */
  readonly names: string[];
}

async function own(job: OwnerJob, options: ChildOptions = {}): Promise<Owner> {
  await mkdir(dirname(job.path), { recursive: true });
  const child = new Child("lmdb/children/presence_owner", job, options);
  const names = await child.report<string[]>();
  return { child, names, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

/** The error says which process and which file are in the way. */
async function assertNamed(
  { child, names }: Owner,
  call: () => Promise<unknown>,
  code: PersistenceErrorCode,
): Promise<void> {
  const { message } = await assertFails(call, code);
  assert.match(message, new RegExp(`process ${child.pid} .*${names.join(".*")}`));
}

async function openAndAppend(path: string): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path, commitTimeoutMs: AMPLE_MS });
  await provider.createMessageJournal<number>().append("a", 1);
}

/** Opens the database in another process, and appends to "a". */
async function attempt(options: LmdbProviderOptions, child: ChildOptions = {}): Promise<Attempt> {
  const job: OpenerJob = { attempts: [options] };
  await using opener = new Child("lmdb/children/opener", job, child);
  return await opener.report<Attempt>();
}

async function outcomeOfOpening(
  options: LmdbProviderOptions,
  child: ChildOptions = {},
): Promise<string> {
  return (await attempt(options, child)).outcome;
}

function asOptions(runtime: Runtime): ChildOptions {
  return { runtime };
}

async function assertOnlyData(path: string): Promise<void> {
  assert.deepEqual((await readdir(path)).sort(), ["data.mdb", "lock.mdb"]);
}

function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, MOMENT_MS));
}
