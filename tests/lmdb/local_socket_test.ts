import assert from "node:assert/strict";
import { once } from "node:events";
import { extname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { isAnsweredAt, listenAt } from "../../adapters/lmdb/local_socket.ts";
import { range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { withDirectory } from "../temporary_directory.ts";

const ROUNDS = 2_000;

test("local socket: it answers until it is closed", () =>
  withDirectory(async (directory) => {
    const path = pathIn(directory);
    assert.equal(await isAnsweredAt(path), false);
    const close = await listenAt(path);
    assert.deepEqual(
      await Promise.all(range(1, 20).map(() => isAnsweredAt(path))),
      range(1, 20).map(() => true),
    );
    await assert.rejects(listenAt(path), { code: "EADDRINUSE" });
    close();
    assert.equal(await isAnsweredAt(path), false);
  }));

test("local socket: it closes no descriptor of another thread", () =>
  withDirectory(async (directory) => {
    const worker = startDescriptorUser();
    const [begun] = await once(worker, "message");
    assert.equal(begun, "begun");
    for (let round = 0; round < ROUNDS; round++) {
      const path = pathIn(directory, round);
      const close = await listenAt(path);
      assert.equal(await isAnsweredAt(path), true);
      close();
    }
    worker.postMessage("over");
    const [errors] = await once(worker, "message");
    assert.deepEqual(errors, []);
    await worker.terminate();
  }));

function startDescriptorUser(): Worker {
  const extension = extname(fileURLToPath(import.meta.url));
  return new Worker(new URL(`./children/descriptor_user${extension}`, import.meta.url));
}

function pathIn(directory: string, number = 0): string {
  return process.platform === "win32"
    ? `\\\\.\\pipe\\cajun-test-${process.pid}-${number}`
    : join(directory, `${number}.sock`);
}
