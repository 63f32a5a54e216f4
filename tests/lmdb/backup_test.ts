import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type BackupOptions,
  LmdbPersistenceProvider,
  restoreBackup,
} from "../../adapters/lmdb/mod.ts";
import {
  JsonCodec,
  type PersistenceProvider,
  type Telemetry,
  type TelemetryEvent,
} from "../../mod.ts";
import { assertFails, assertRefused, range } from "../conformance/fixture.ts";
import { randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";

/** A directory with a store in `data`. */
function withStore(
  run: (provider: LmdbPersistenceProvider, directory: string) => Promise<void>,
): Promise<void> {
  return withDirectory(async (directory) => {
    const path = join(directory, "data");
    await using provider = await LmdbPersistenceProvider.open({ path });
    await run(provider, directory);
  });
}

function open(path: string): Promise<LmdbPersistenceProvider> {
  return LmdbPersistenceProvider.open({ path });
}

/** What a journal has, which must be the numbers from 0 on. */
async function lengthOf(provider: PersistenceProvider, actorId: string): Promise<number> {
  let next = 0;
  for await (const { message } of provider.createMessageJournal<number>().replay(actorId, 0)) {
    assert.equal(message, next++);
  }
  return next;
}

test("backup: under load it has all that was acknowledged before, and a prefix of the rest", () =>
  withStore(async (provider, directory) => {
    const journal = provider.createMessageJournal<number>();
    const acknowledged = new Map(range(0, 19).map((actor) => [`${actor}`, 0]));
    let isOver = false;
    const writers = [...acknowledged.keys()].map(async (actorId) => {
      for (let number = 0; !isOver; number++) {
        await journal.append(actorId, number);
        acknowledged.set(actorId, number + 1);
      }
    });
    for (const round of range(1, 3)) {
      await new Promise((resolve) => setTimeout(resolve, 20 * round));
      const before = new Map(acknowledged);
      const backup = join(directory, `backup-${round}`);
      const manifest = await provider.backup(backup);
      const restored = join(directory, `restored-${round}`);
      assert.deepEqual(await restoreBackup(backup, restored), manifest);
      await using copy = await open(restored);
      let entries = 0;
      for (const [actorId, count] of before) {
        const length = await lengthOf(copy, actorId);
        assert.ok(length >= count, `${length} of ${count} acknowledged`);
        assert.ok(length <= (acknowledged.get(actorId) ?? 0) + 1);
        entries += length;
      }
      assert.equal(manifest.entries, entries);
      assert.equal(manifest.journals, before.size);
      assert.equal(await copy.position(), manifest.position);
      // The copy goes on by itself.
      const journalOfCopy = copy.createMessageJournal<number>();
      const length = await lengthOf(copy, "0");
      for (const more of range(0, 9)) await journalOfCopy.append("0", length + more);
      await copy.close();
      await using again = await LmdbPersistenceProvider.open({
        path: restored,
        verifyOnOpen: "full",
      });
      assert.equal(await lengthOf(again, "0"), length + 10);
      assert.equal((await again.verify()).isSound, true);
    }
    isOver = true;
    await Promise.all(writers);
    assert.equal((await provider.verify()).isSound, true);
  }));

test("backup: it has everything else, too", () =>
  withStore(async (provider, directory) => {
    const journal = provider.createMessageJournal<string>({ kind: "door" });
    await journal.appendBatch("1", ["opened", "closed"], { metadata: { user: "ada" } });
    await provider.createSnapshotStore<string>({ kind: "door" }).saveSnapshot("1", "closed", 1);
    await provider.createConsumerRegistry({ kind: "door" }).register("1", "reader", 1);
    const backup = join(directory, "backup");
    await provider.backup(backup);
    assert.deepEqual((await readdir(backup)).sort(), ["data.mdb", "manifest.json"]);
    const restored = join(directory, "restored");
    await restoreBackup(backup, restored);
    assert.deepEqual(await readdir(restored), ["data.mdb"]);
    await using copy = await open(restored);
    const entries = await copy.createMessageJournal<string>({ kind: "door" }).readFrom("1", 0);
    assert.deepEqual(entries.map(({ message }) => message), ["opened", "closed"]);
    assert.equal(entries[0]?.metadata?.user, "ada");
    const snapshots = copy.createSnapshotStore<string>({ kind: "door" });
    assert.equal((await snapshots.getLatestSnapshot("1"))?.state, "closed");
    const positions = await copy.createConsumerRegistry({ kind: "door" }).positions("1");
    assert.equal(positions.get("reader"), 1);
  }));

test("backup: an event and a span tell of each", () =>
  withDirectory(async (directory) => {
    const events: TelemetryEvent[] = [];
    const spans: unknown[] = [];
    const telemetry: Telemetry = {
      onEvent(event) {
        if (event.type === "backup") events.push(event);
        throw new Error("a listener disturbs nothing");
      },
      startSpan(start) {
        if (start.name !== "backup") return undefined;
        return { end: (failure) => spans.push({ ...start, failure }) };
      },
    };
    const path = join(directory, "data");
    await using provider = await LmdbPersistenceProvider.open({ path, telemetry });
    await provider.createMessageJournal<number>().appendBatch("1", range(0, 99));
    const { bytes } = await provider.backup(join(directory, "1"));
    await assertFails(() => provider.backup(join(directory, "1")), "STORAGE_FAILED");
    const signal = AbortSignal.abort(new Error("no"));
    await assert.rejects(provider.backup(join(directory, "2"), { signal }), /no/);
    await provider.close();
    await assertFails(() => provider.backup(join(directory, "2")), "CLOSED");
    const failures = [undefined, "STORAGE_FAILED", "ERROR", "CLOSED"];
    assert.deepEqual(
      spans,
      failures.map((failure) => ({
        name: "backup",
        kind: undefined,
        actorId: undefined,
        failure,
      })),
    );
    assert.deepEqual(
      events.map((event) => ({ ...event, durationMs: 0 })),
      failures.map((failure) => ({
        type: "backup",
        failure,
        bytes: failure === undefined ? bytes : 0,
        durationMs: 0,
      })),
    );
    assert.ok((await stat(join(directory, "1", "data.mdb"))).size === bytes);
  }));

test("backup: what is there is never touched", () =>
  withStore(async (provider, directory) => {
    await provider.createMessageJournal<number>().append("1", 0);
    const taken = join(directory, "taken");
    await mkdir(taken);
    await writeFile(join(taken, "note"), "mine");
    await assertFails(() => provider.backup(taken), "STORAGE_FAILED");
    const backup = join(directory, "deep", "down", "backup");
    await provider.backup(backup);
    await assertFails(() => provider.backup(backup), "STORAGE_FAILED");
    await assertFails(() => restoreBackup(backup, taken), "STORAGE_FAILED");
    await assertFails(() => restoreBackup(backup, join(directory, "data")), "STORAGE_FAILED");
    assert.deepEqual(await readdir(taken), ["note"]);
    assert.deepEqual((await readdir(directory)).sort(), ["data", "deep", "taken"]);
    // A path that leads through a file.
    await assertFails(() => provider.backup(join(taken, "note", "backup")), "STORAGE_FAILED");
  }));

test("backup: after an abort nothing is left", () =>
  withStore(async (provider, directory) => {
    await provider.createMessageJournal<number>().appendBatch("1", range(0, 999));
    const reason = new Error("enough");
    const phases = new Set<string>();
    for (const phase of ["copy", "digest", "verify"]) {
      const controller = new AbortController();
      const aborted = provider.backup(join(directory, "backup"), {
        signal: controller.signal,
        onProgress(progress) {
          phases.add(progress.phase);
          assert.ok(progress.done <= progress.total || progress.phase === "copy");
          if (progress.phase === phase) controller.abort(reason);
        },
      });
      await assert.rejects(aborted, (error) => error === reason, phase);
      assert.deepEqual(await readdir(directory), ["data"], phase);
    }
    assert.deepEqual([...phases], ["copy", "digest", "verify"]);
    const early = provider.backup(join(directory, "backup"), { signal: AbortSignal.abort(reason) });
    await assert.rejects(early, (error) => error === reason);
    await provider.backup(join(directory, "backup"));
    const controller = new AbortController();
    const restoring = restoreBackup(join(directory, "backup"), join(directory, "restored"), {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await assert.rejects(restoring, (error) => error === reason);
    assert.deepEqual((await readdir(directory)).sort(), ["backup", "data"]);
  }));

test("backup: one that is damaged is not restored", () =>
  withStore(async (provider, directory) => {
    await provider.createMessageJournal<number>().appendBatch("1", range(0, 999));
    const backup = join(directory, "backup");
    const target = join(directory, "restored");
    await provider.backup(backup);
    const [data, manifest] = [join(backup, "data.mdb"), join(backup, "manifest.json")];
    const [dataBefore, manifestBefore] = [await readFile(data), await readFile(manifest, "utf8")];
    const random = randomFrom();
    const damages: readonly (readonly [string, string | Uint8Array])[] = [
      ...range(1, 20).map(() =>
        [data, changed(dataBefore, random.below(dataBefore.length))] as const
      ),
      [data, dataBefore.subarray(0, dataBefore.length - 4_096)],
      [data, new Uint8Array([...dataBefore, 0])],
      [data, ""],
      [manifest, ""],
      [manifest, "{}"],
      [manifest, "null"],
      [manifest, manifestBefore.replace(/"sha256": "./, '"sha256": "x')],
    ];
    for (const [file, content] of damages) {
      await writeFile(file, content);
      await assertFails(() => restoreBackup(backup, target), "CORRUPT");
      await writeFile(data, dataBefore);
      await writeFile(manifest, manifestBefore);
    }
    await writeFile(manifest, manifestBefore.replace('"format": 1', '"format": 2'));
    await assertFails(() => restoreBackup(backup, target), "UNSUPPORTED_FORMAT");
    await writeFile(manifest, manifestBefore);
    await assertFails(() => restoreBackup(join(directory, "none"), target), "CORRUPT");
    assert.deepEqual((await readdir(directory)).sort(), ["backup", "data"]);
    await restoreBackup(backup, target);
    await using copy = await open(target);
    assert.equal(await lengthOf(copy, "1"), 1_000);
  }));

function changed(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 1;
  return copy;
}

test("backup: of a store that is damaged there is none", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    const text = `message ${randomFrom().seed}`;
    {
      await using provider = await open(path);
      const journal = provider.createMessageJournal<string>();
      for (const _ of range(1, 20)) await journal.append("1", text);
    }
    const file = join(path, "data.mdb");
    let data: Uint8Array = await readFile(file);
    // Some of these are in pages that are free by now.
    for (let at = 0; (at = Buffer.from(data).indexOf(text, at)) >= 0; at++) {
      data = changed(data, at);
    }
    await writeFile(file, data);
    await using provider = await open(path);
    assert.equal((await provider.verify()).isSound, false);
    await assertFails(() => provider.backup(join(directory, "backup")), "CORRUPT");
    assert.deepEqual(await readdir(directory), ["data"]);
  }));

test("backup: read-only, by another codec, and while the provider is closed", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    const codec = new JsonCodec();
    {
      await using provider = await LmdbPersistenceProvider.open({ path, codec });
      await provider.createMessageJournal<number>().appendBatch("1", range(0, 9_999));
      const backup = provider.backup(join(directory, "first"));
      // It is finished all the same.
      await provider.close();
      assert.deepEqual((await backup).entries, 10_000);
      await assertFails(() => provider.backup(join(directory, "late")), "CLOSED");
    }
    await using reader = await LmdbPersistenceProvider.open({ path, codec, readOnly: true });
    const manifest = await reader.backup(join(directory, "second"));
    assert.deepEqual([manifest.codec, manifest.entries], [codec.name, 10_000]);
    assert.equal((await stat(join(directory, "second", "data.mdb"))).size, manifest.bytes);
  }));

test("backup: bad arguments are refused", () =>
  withStore(async (provider, directory) => {
    const path = join(directory, "backup");
    const bad = (value: unknown) => value as string & BackupOptions;
    await assertRefused(() => provider.backup(bad("")), "type");
    await assertRefused(() => provider.backup(bad(7)), "type");
    await assertRefused(() => provider.backup(path, bad({ signals: 1 })), "type");
    await assertRefused(() => provider.backup(path, bad({ signal: 1 })), "type");
    await assertRefused(() => provider.backup(path, bad({ onProgress: 1 })), "type");
    await assertRefused(() => restoreBackup(bad(""), path), "type");
    await assertRefused(() => restoreBackup(path, bad(undefined)), "type");
    assert.deepEqual(await readdir(directory), ["data"]);
  }));

test("backup: killed at whatever moment, the store is sound, and a backup is whole or absent", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "data");
    const random = randomFrom();
    for (const round of range(1, 5)) {
      const target = join(directory, `backup-${round}-`);
      await using child = new Child("lmdb/children/backup_maker", { path, target });
      await child.report();
      await new Promise((resolve) => setTimeout(resolve, random.below(250)));
      await child.kill();
    }
    await using provider = await open(path);
    assert.equal((await provider.verify()).isSound, true);
    const names = (await readdir(directory)).filter((name) => name.startsWith("backup-"));
    for (const name of names.filter((name) => !name.includes(".part-"))) {
      const restored = join(directory, `restored-${name}`);
      await restoreBackup(join(directory, name), restored);
      await using copy = await open(restored);
      assert.equal((await copy.verify()).isSound, true, `seed ${random.seed}`);
    }
  }));
