/**
 * Copies the newest state of a data file while others commit. LMDB's own copy runs in native code, and
 * ends the process if its thread is terminated meanwhile.
 *
 * Pages of a state do not change while a reader keeps it. All others may, and need not be copied
 * rightly: they are free. Only the meta pages must be of one moment, so they are written anew.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { metaPagesOf, readNewestState } from "./verify/meta_pages.ts";

const CHUNK_BYTES = 2 ** 20;

/** How far a copy has come. */
export interface CopyProgress {
  /** How many bytes have been copied. */
  readonly done: number;
  /** How many there are, at most. */
  readonly total: number;
}

/**
 * Copies the newest state of a data file, with the pages that are free in it. A reader must keep the
 * newest state from before the call on, until the copy has ended.
 *
 * @param from The data file.
 * @param to The file that is made. It is not flushed.
 * @param onProgress Called for each mebibyte or so; if it throws, the copy ends.
 * @throws {PersistenceError} `CORRUPT` if the meta pages are damaged; `UNSUPPORTED_FORMAT`.
 * @throws {Error} The file system's own error; what `onProgress` throws.
 */
export async function copyState(
  from: string,
  to: string,
  onProgress: (progress: CopyProgress) => void,
): Promise<void> {
  const source = await open(from, "r");
  try {
    const target = await open(to, "wx", 0o664);
    try {
      await copyPages(source, target, from, onProgress);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyPages(
  source: FileHandle,
  target: FileHandle,
  path: string,
  onProgress: (progress: CopyProgress) => void,
): Promise<void> {
  const state = readNewestState(path, source.fd);
  const metaPages = metaPagesOf(state);
  await writeAll(target, metaPages, 0);
  // Pages that were allocated, and freed without being written, may lie beyond the end of the file.
  const total = (state.meta.lastPage + 1) * state.meta.pageBytes;
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let done = metaPages.length; done < total;) {
    onProgress({ done, total });
    const { bytesRead } = await source.read(chunk, 0, Math.min(CHUNK_BYTES, total - done), done);
    if (bytesRead === 0) break;
    await writeAll(target, chunk.subarray(0, bytesRead), done);
    done += bytesRead;
  }
  onProgress({ done: total, total });
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
