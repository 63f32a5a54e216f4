/**
 * The log of a process that wrote a database: what the preloaded shim has recorded, and what the
 * process itself has put between. Both append whole records to one file, so there is one order.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import type { LedgerRecord } from "../ledger.ts";

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

const HEADER_BYTES = 32;
/** The kinds of shim.c, and ours. */
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
 * @returns The records of the data file. Where processes have created it at once, those of the file
 *   that got the name.
 */
export function readLog(bytes: Uint8Array): LogRecord[] {
  const raw = [...readRaw(bytes)];
  const linked = raw.find(({ kind }) => kind === LINK)?.file;
  const records = raw
    .filter(({ kind, file }) =>
      linked === undefined || file === linked || kind === MARK || kind === DIRECTORY
    )
    .map(recordOf);
  // Where it is created in its place, it has its name from the beginning.
  return linked === undefined ? [{ kind: "link" }, ...records] : records;
}

interface RawRecord {
  readonly kind: number;
  readonly content: Uint8Array;
  readonly offset: number;
  readonly id: number;
  /** The inode. */
  readonly file: bigint;
}

function* readRaw(bytes: Uint8Array): Generator<RawRecord> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const content = at + HEADER_BYTES;
    const end = content + view.getUint32(at + 4, true);
    yield {
      kind: view.getUint32(at, true),
      content: bytes.subarray(content, end),
      offset: Number(view.getBigUint64(at + 8, true)),
      id: Number(view.getBigUint64(at + 16, true)),
      file: view.getBigUint64(at + 24, true),
    };
    at = end;
  }
}

function recordOf({ kind, content, offset, id }: RawRecord): LogRecord {
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
