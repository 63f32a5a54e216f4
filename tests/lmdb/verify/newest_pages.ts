import { open } from "node:fs/promises";

const PAGE_BYTES_AT = 48;
const TRANSACTION_AT = 152;
const PAGE_TRANSACTION_AT = 8;

/**
 * Finds the pages that the newest transaction has written, by their headers. They are those that
 * its state leads to: it writes no others.
 */
export function newestPages(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pageBytes = pageBytesOf(bytes);
  const newest = Math.max(
    view.getUint32(TRANSACTION_AT, true),
    view.getUint32(pageBytes + TRANSACTION_AT, true),
  );
  const pages: number[] = [];
  for (let page = 2; (page + 1) * pageBytes <= bytes.length; page++) {
    const at = page * pageBytes;
    const isPage = view.getUint32(at, true) === page && view.getUint32(at + 4, true) === 0;
    if (isPage && view.getUint32(at + PAGE_TRANSACTION_AT, true) === newest) pages.push(page);
  }
  return pages;
}

/** The bytes of a page of a data file. */
export function pageBytesOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(PAGE_BYTES_AT, true);
}

/** Overwrites a page of a data file. */
export async function writeAt(file: string, page: number, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.write(bytes, 0, bytes.length, page * bytes.length);
  } finally {
    await handle.close();
  }
}
