/**
 * The log of a process that wrote a database: what the preloaded shim has recorded, and what the
 * process itself has put between. Both append whole records to one file, so there is one order.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import type { LedgerRecord } from "./ledger.ts";

/** What the process itself tells. */
export type Mark = "power lost" | "opened" | {
  readonly writer: string;
  readonly record: LedgerRecord;
};

/** One record. */
export type LogRecord =
  | { readonly kind: "write"; readonly id: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "written" | "durable" | "flush" | "flushed"; readonly id: number }
  | { readonly kind: "resize"; readonly id: number; readonly length: number }
  | { readonly kind: "link" | "directory" }
  | { readonly kind: "mark"; readonly mark: Mark };

const HEADER_BYTES = 24;
/** The kinds of power_loss_shim.c, and ours. */
const WRITE = 1;
const RESIZE = 6;
const DIRECTORY = 7;
const UNSEEN = 8;
const LINK = 9;
const MARK = 100;
const ENDS = { 2: "written", 3: "flush", 4: "flushed", 5: "durable" } as const;

/**
 * Puts a mark into the log.
 *
 * @param descriptor The log, opened for appending.
 * @param mark The mark.
 */
export function writeMark(descriptor: number, mark: Mark): void {
  const content = new TextEncoder().encode(JSON.stringify(mark));
  const record = new Uint8Array(HEADER_BYTES + content.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, MARK, true);
  view.setUint32(4, content.length, true);
  record.set(content, HEADER_BYTES);
  if (writeSync(descriptor, record) !== record.length) throw new Error("the log is cut short");
}

/**
 * Puts marks into a log.
 *
 * @param log The file.
 * @param marks The marks.
 */
export function writeMarks(log: string, marks: readonly Mark[]): void {
  const descriptor = openSync(log, "a");
  for (const mark of marks) writeMark(descriptor, mark);
  closeSync(descriptor);
}

/**
 * Reads a log.
 *
 * @param bytes The log. Its records are views on it.
 * @returns The records.
 */
export function readLog(bytes: Uint8Array): LogRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    const offset = Number(view.getBigUint64(at + 8, true));
    const id = Number(view.getBigUint64(at + 16, true));
    const content = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    records.push(recordOf(kind, { content, offset, id }));
    at += HEADER_BYTES + length;
  }
  return records;
}

function recordOf(
  kind: number,
  { content, offset, id }: {
    readonly content: Uint8Array;
    readonly offset: number;
    readonly id: number;
  },
): LogRecord {
  switch (kind) {
    case WRITE:
      return { kind: "write", id, at: offset, bytes: content };
    case 2:
    case 3:
    case 4:
    case 5:
      return { kind: ENDS[kind], id };
    case RESIZE:
      return { kind: "resize", id, length: offset };
    case DIRECTORY:
      return { kind: "directory" };
    case LINK:
      return { kind: "link" };
    case MARK:
      // Written by `writeMark`.
      return { kind: "mark", mark: JSON.parse(new TextDecoder().decode(content)) as Mark };
    case UNSEEN:
      throw new Error("the data file is written in a way that the shim does not record");
    default:
      throw new Error(`the log has a record of kind ${kind}`);
  }
}
