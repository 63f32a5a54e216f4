/**
 * A worker thread that opens and reads files until it is told to end. Then it reports the errors
 * that it has met: somebody else has closed its files.
 *
 * @module
 */

import { closeSync, openSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parentPort } from "node:worker_threads";

const FILES_PER_TURN = 200;

const path = fileURLToPath(import.meta.url);
const errors: string[] = [];
let isOver = false;
parentPort?.on("message", () => {
  isOver = true;
});
parentPort?.postMessage("begun");
while (!isOver) {
  for (let count = 0; count < FILES_PER_TURN; count++) {
    try {
      useFile();
    } catch (error) {
      errors.push(String(error));
    }
  }
  await new Promise((resolve) => setTimeout(resolve));
}
parentPort?.postMessage(errors);

function useFile(): void {
  const descriptor = openSync(path, "r");
  readSync(descriptor, new Uint8Array(1), 0, 1, 0);
  closeSync(descriptor);
}
