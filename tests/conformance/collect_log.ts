/**
 * Collects the log of a storage, so that its entries stand in frames and heads.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Collector } from "../../core/log/collector.ts";
import { Log } from "../../core/log/log.ts";
import type { Storage } from "../../core/ports/storage.ts";

/**
 * Collects all records of the log, as another process would. Providers that have the storage open
 * follow.
 *
 * @param storage The storage.
 */
export async function collectLog(storage: Storage): Promise<void> {
  const log = await Log.open(storage);
  const collector = new Collector(storage, log, 1, { takeoverMs: 0 });
  for (let piece = await collector.nextPiece(0); piece; piece = await collector.nextPiece(0)) {
    const conditions = [...log.conditions, ...piece.conditions];
    const [applied] = await storage.commit([{ conditions, changes: piece.changes }]);
    assert.equal(applied, true);
    piece.onCommitted();
  }
}
