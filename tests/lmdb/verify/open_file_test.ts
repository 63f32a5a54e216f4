import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  LmdbEnvironmentManager,
  LmdbPersistenceProvider,
  type VerificationProgress,
} from "../../../adapters/lmdb/mod.ts";
import { assertRefused as assertBadArgument } from "../../conformance/fixture.ts";
import { test } from "../../harness.ts";
import { Child } from "../../processes/child.ts";
import { withDirectory } from "../../temporary_directory.ts";
import { fillDatabases, openDatabases } from "./databases.ts";
import { randomFrom } from "../../conformance/random.ts";
import { newestPages, pageBytesOf, writeAt } from "./newest_pages.ts";
import { DATA_FILE } from "./originals.ts";

/** Enough that a check takes several turns of the event loop, mostly. */
const ACTORS = 20_000;

test("verify: a sound database, while this process commits", () =>
  withDirectory(async (path) => {
    await using provider = await openFilled(path);
    await using environment = await LmdbEnvironmentManager.open({ path, durability: "none" });
    const journal = provider.createMessageJournal<string>();
    let isOver = false;
    const appending = (async () => {
      for (let round = 0; !isOver; round++) {
        await Promise.all(
          Array.from({ length: 200 }, (_, n) => journal.append(`a-${n * 97}`, `m${round}`)),
        );
      }
      return true;
    })();
    const seen: VerificationProgress[] = [];
    for (let round = 0; round < 5; round++) {
      await environment.verify({ onProgress: (progress) => seen.push(progress) });
      const { checkedPages, totalPages } = seen.at(-1) ?? assert.fail();
      assert.equal(checkedPages, totalPages);
    }
    assert.ok(seen.filter(({ checkedPages }) => checkedPages === 0).length === 5);
    isOver = true;
    assert.equal(await appending, true);
    assert.ok(seen.every(({ checkedPages, totalPages }) => checkedPages <= totalPages));
    // The pages that it has kept are used again.
    assert.equal((await provider.stats()).storage.oldestReader, undefined);
  }));

test("verify: a sound database, while another process commits", () =>
  withDirectory(async (directory) => {
    const binding = await openDatabases(directory);
    await fillDatabases(binding, randomFrom(1));
    await binding.root.close();
    // Before anybody commits: the writer is not kept apart from openings (ITS#9496).
    await using environment = await LmdbEnvironmentManager.open({
      path: directory,
      readOnly: true,
      verifyOnOpen: "none",
    });
    await using child = new Child("lmdb/verify/writer", { directory });
    assert.equal(await child.next(), "writing");
    for (let round = 0; round < 100; round++) await environment.verify();
    child.go();
    assert.ok(await child.report<number>() > 1);
  }));

test("verify: a page that has rotted since is found, and the process goes on", () =>
  withDirectory(async (path) => {
    await using provider = await openFilled(path);
    await using environment = await LmdbEnvironmentManager.open({ path, durability: "none" });
    await environment.verify();
    const bytes = new Uint8Array(await readFile(join(path, DATA_FILE)));
    const pageBytes = pageBytesOf(bytes);
    const [page] = newestPages(bytes);
    assert.ok(page);
    const before = bytes.slice(page * pageBytes, (page + 1) * pageBytes);
    await writeAt(join(path, DATA_FILE), page, new Uint8Array(pageBytes));
    await assert.rejects(environment.verify(), { code: "CORRUPT" });
    await writeAt(join(path, DATA_FILE), page, before);
    await environment.verify();
    assert.equal((await provider.stats()).storage.oldestReader, undefined);
  }));

test("verify: a signal ends it, and so does onProgress if it throws, or its promise rejects", () =>
  withDirectory(async (path) => {
    await using provider = await openFilled(path);
    await using environment = await LmdbEnvironmentManager.open({ path, durability: "none" });
    const aborted = AbortSignal.abort(new Error("too late"));
    await assert.rejects(environment.verify({ signal: aborted }), /too late/);
    const controller = new AbortController();
    const stop = new Error("enough");
    await assertEnds(
      environment,
      { signal: controller.signal },
      () => controller.abort(stop),
      stop,
    );
    await assertEnds(environment, {}, () => {
      throw stop;
    }, stop);
    await assertEnds(environment, {}, () => Promise.reject(stop), stop);
    await environment.verify();
    assert.equal((await provider.stats()).storage.oldestReader, undefined);
  }));

test("verify: closing ends it first", () =>
  withDirectory(async (path) => {
    await (await openFilled(path)).close();
    const environment = await LmdbEnvironmentManager.open({ path, durability: "none" });
    let closing: Promise<void> | undefined;
    const verifying = (async () => {
      for (;;) {
        await environment.verify({
          onProgress: () => {
            closing ??= environment.close();
          },
        });
      }
    })();
    await assert.rejects(verifying, { code: "CLOSED" });
    await closing;
    await assert.rejects(environment.verify(), { code: "CLOSED" });
  }));

test("verify: bad options are refused", () =>
  withDirectory(async (path) => {
    await using environment = await LmdbEnvironmentManager.open({ path });
    const bad: readonly unknown[] = [null, 1, { signal: 1 }, { onProgress: 1 }, { progress: 1 }];
    for (const options of bad) {
      // As a caller without type checks would pass it.
      await assertBadArgument(() => environment.verify(options as object), "type");
    }
  }));

async function assertEnds(
  environment: LmdbEnvironmentManager,
  options: { signal?: AbortSignal },
  onProgress: () => void | Promise<never>,
  reason: unknown,
): Promise<void> {
  const verifying = environment.verify({ ...options, onProgress });
  await assert.rejects(verifying, (error) => error === reason);
}

/** Filled with snapshots: messages stand in few large values at first, which are not checked. */
async function openFilled(path: string): Promise<LmdbPersistenceProvider> {
  const provider = await LmdbPersistenceProvider.open({ path, durability: "none" });
  const snapshots = provider.createSnapshotStore<string>();
  const saves = Array.from(
    { length: ACTORS },
    (_, n) => snapshots.saveSnapshot(`a-${n}`, "m".repeat(200), 0),
  );
  await Promise.all(saves);
  return provider;
}
