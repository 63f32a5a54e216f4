/**
 * Who reads an environment. LMDB keeps what a reader may still read, so one that stands still keeps
 * every page that is freed meanwhile from being used again.
 *
 * @module
 */

/** A reader of an environment, in this process or another one. */
export interface Reader {
  /** The id of its process. */
  readonly processId: number;
  /** The transaction whose state it reads. */
  readonly transaction: number;
}

/** A line of LMDB's list: the process, the thread, and the transaction, or "-" while it is idle. */
const READER = /^\s*(\d+)\s+[0-9a-f]+\s+(\d+)\s*$/;

/**
 * Finds the reader of the oldest state.
 *
 * @param list The list of readers, as LMDB writes it.
 * @returns The reader, or `undefined` if nobody reads.
 */
export function oldestReaderIn(list: string): Reader | undefined {
  let oldest: Reader | undefined;
  for (const line of list.split("\n")) {
    const [, processId, transaction] = READER.exec(line) ?? [];
    if (processId === undefined || transaction === undefined) continue;
    const reader = { processId: Number(processId), transaction: Number(transaction) };
    if (!oldest || reader.transaction < oldest.transaction) oldest = reader;
  }
  return oldest;
}
