import assert from "node:assert/strict";
import { stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { type Keyspace, KEYSPACES } from "../../../core/ports/storage.ts";
import { randomFrom } from "../../conformance/random.ts";
import { test } from "../../harness.ts";
import { withDirectory } from "../../temporary_directory.ts";
import { databaseOf, fillDatabases, openDatabases } from "./databases.ts";
import { assertRefused, DATA_FILE, type Original, withOriginal } from "./originals.ts";

/** Offsets in a meta page. */
const MAGIC = 24;
const FORMAT = 28;
const PAGE_BYTES = 48;
const FREE_FLAGS = 52;
const FREE_ROOT = 88;
const MAIN_DEPTH = 102;
const MAIN_RECORDS = 128;
const MAIN_ROOT = 136;
const LAST_PAGE = 144;
const TRANSACTION = 152;
/** Offsets in the header of a page. */
const PAGE_TRANSACTION = 8;
const PAGE_FLAGS = 18;
const PAGE_LOWER = 20;
const PAGE_UPPER = 22;
const OVERFLOW_PAGES = 20;
const HEADER_BYTES = 24;
/** Offsets in a node. */
const NODE_FLAGS = 4;
const KEY_BYTES = 6;
const KEY = 8;
/** Offsets in the record of a tree. */
const TREE_FLAGS = 4;
const TREE_DEPTH = 6;
const TREE_ROOT = 40;

/** A data file to be edited, with the offsets of what edits change. */
interface Edited {
  readonly view: DataView;
  readonly pageBytes: number;
  readonly newest: number;
  readonly older: number;
  readonly mainRoot: number;
  readonly freeRoot: number;
  /** The first record of the free list. */
  readonly freeRecord: number;
  readonly entriesRoot: number;
  /** The records of the snapshots. */
  readonly snapshotNodes: readonly number[];
  /** One of them, with a large value, and the first page of that. */
  readonly largeNode: number;
  readonly largePage: number;
}

test("a file that is not a data file is refused", () =>
  withDirectory(async (directory) => {
    const file = join(directory, DATA_FILE);
    await writeFile(file, "short");
    await assertRefused(file, "CORRUPT", /page 0 .*5 bytes/);
    await writeFile(file, new Uint8Array(8_192));
    await assertRefused(file, "CORRUPT", /page 0 .*does not begin/);
  }));

test("a data file of another format is refused as such", () =>
  withOriginal(async (file, original) => {
    const format1 = original.bytes.slice();
    format1.copyWithin(16, 24, 200);
    new DataView(format1.buffer).setUint32(20, 1, true);
    await writeFile(file, format1);
    await assertRefused(file, "UNSUPPORTED_FORMAT", /has the short page headers of format 1/);

    await writeEdited(file, original, ({ view, newest, older }) => {
      view.setUint32(newest + FORMAT, 3, true);
      view.setUint32(older + FORMAT, 3, true);
    });
    await assertRefused(file, "UNSUPPORTED_FORMAT", /is of format 3/);
  }));

test("a data file of another program is refused as such", () =>
  withDirectory(async (directory) => {
    const { open } = await import("lmdb");
    const theirs = open({ path: directory, noSubdir: false });
    await theirs.openDB({ name: "customers" }).put("key", "value");
    await theirs.close();
    await assertRefused(
      join(directory, DATA_FILE),
      "UNSUPPORTED_FORMAT",
      /"customers" of another program/,
    );
  }));

test("another program's database beside ours is accepted", () =>
  withDirectory(async (directory) => {
    const { root } = await openDatabases(directory);
    root.openDB("customers", {});
    await root.close();
    await checkDataFile(join(directory, DATA_FILE));
  }));

test("a data file that ends inside a large value is refused", () =>
  withDirectory(async (directory) => {
    const file = join(directory, DATA_FILE);
    const binding = await openDatabases(directory);
    await fillDatabases(binding, randomFrom(1));
    // No gap among the free pages is large enough, so the value is at the end of the file.
    const value = new Uint8Array(200_000);
    await databaseOf(binding, "snapshots").put(Uint8Array.of(1), value, 1);
    await binding.root.close();
    await checkDataFile(file);
    await truncate(file, (await stat(file)).size - 1);
    await assertRefused(file, "CORRUPT", /the file ends/);
  }));

/** Damage of each kind that LMDB would not notice. */
const EDITS: Readonly<Record<string, { edit: (edited: Edited) => void; message: RegExp }>> = {
  "the magic number of one meta page": {
    edit: ({ view, pageBytes }) => addTo(view, pageBytes + MAGIC, 1),
    message: /magic number/,
  },
  "the format of one meta page": {
    edit: ({ view, newest }) => view.setUint32(newest + FORMAT, 3, true),
    message: /format/,
  },
  "the flags in a meta page": {
    edit: ({ view, newest }) => addTo(view, newest + FREE_FLAGS, 4),
    message: /flags of its trees/,
  },
  "a newest transaction that looks older than the one before": {
    edit: ({ view, newest }) => addTo(view, newest + TRANSACTION, -4),
    message: /is of transaction \d+, but page \d of \d+/,
  },
  "the same, with numbers that are consistent": {
    edit: ({ view, newest }) => addTo(view, newest + TRANSACTION, -2),
    message: /is the last page, but it was \d+ before/,
  },
  "an older transaction that looks newer": {
    edit: ({ view, newest, older }) => {
      addTo(view, older + TRANSACTION, 2);
      view.setUint32(older + LAST_PAGE, view.getUint32(newest + LAST_PAGE, true), true);
    },
    message: /is of transaction \d+, but the newest page of its trees is of \d+/,
  },
  "a last page beyond all limits": {
    edit: ({ view, newest }) => view.setUint32(newest + LAST_PAGE + 4, 256, true),
    message: /is the last page/,
  },
  "a last page far beyond the end": {
    edit: ({ view, newest }) => addTo(view, newest + LAST_PAGE + 2, 16),
    message: /is the last page/,
  },
  "a depth": {
    edit: ({ view, newest }) => view.setUint16(newest + MAIN_DEPTH, 0, true),
    message: /has depth 0/,
  },
  "a number of databases": {
    edit: ({ view, newest }) => addTo(view, newest + MAIN_RECORDS, 1),
    message: /has 7 records, but there are 6/,
  },
  "a root that is a meta page": {
    edit: ({ view, newest }) => view.setUint32(newest + MAIN_ROOT, 1, true),
    message: /refers to page 1,/,
  },
  "a root of another tree": {
    edit: ({ view, newest }) =>
      view.setUint32(newest + MAIN_ROOT, view.getUint32(newest + FREE_ROOT, true), true),
    message: /which something else refers to as well/,
  },
  "the number of a page": {
    edit: ({ view, mainRoot }) => addTo(view, mainRoot, 1),
    message: /says that it is page/,
  },
  "a transaction of the future": {
    edit: ({ view, mainRoot }) => view.setUint32(mainRoot + PAGE_TRANSACTION + 4, 1, true),
    message: /is of transaction \d+, but the newest one is/,
  },
  "the flags of a page": {
    edit: ({ view, mainRoot }) => view.setUint16(mainRoot + PAGE_FLAGS, 1, true),
    message: /flags are 1, not 2/,
  },
  "a page without nodes": {
    edit: ({ view, pageBytes, mainRoot }) => {
      view.setUint16(mainRoot + PAGE_LOWER, 0, true);
      view.setUint16(mainRoot + PAGE_UPPER, pageBytes - HEADER_BYTES, true);
    },
    message: /has 0 nodes/,
  },
  "the name of a database": {
    edit: ({ view, mainRoot }) => addTo(view, nodeOf(view, mainRoot, 0) + KEY + 6, 1),
    message: /has the name "entriet"/,
  },
  "the flags of a database": {
    edit: ({ view, mainRoot }) => {
      addTo(view, valueOf(view, nodeOf(view, mainRoot, 0)) + TREE_FLAGS, 4);
    },
    message: /flags of database "entries"/,
  },
  "the order of keys": {
    edit: ({ view, mainRoot }) => addTo(view, nodeOf(view, mainRoot, 0) + KEY, 20),
    message: /key of node 1 is not above/,
  },
  "a key above what its page holds": {
    edit: ({ view, entriesRoot }) => addTo(view, nodeOf(view, entriesRoot, 1) + KEY + 3, 1),
    message: /first key belongs on a page before it/,
  },
  "a key below what the page before holds": {
    edit: ({ view, entriesRoot }) => addTo(view, nodeOf(view, entriesRoot, 1) + KEY + 3, -2),
    message: /last key belongs on a page after it/,
  },
  "the length of a key": {
    edit: ({ view, snapshotNodes }) => {
      const node = snapshotNodes.find((node) => view.getUint16(node + KEY_BYTES, true) > 1_800);
      assert.ok(node);
      // The value gets as much shorter as the key gets longer, so that the node stays as long.
      view.setUint16(node + KEY_BYTES, view.getUint16(node + KEY_BYTES, true) + 200, true);
      view.setUint32(node, view.getUint32(node, true) - 200, true);
    },
    message: /the key of node \d+ has 2\d\d\d bytes/,
  },
  "the flags of a record": {
    edit: ({ view, snapshotNodes: [node = 0] }) => addTo(view, node + NODE_FLAGS, 4),
    message: /flags of node 0 are [45]/,
  },
  "the length of a large value": {
    edit: ({ view, largeNode }) => view.setUint32(largeNode, 1_000_000, true),
    message: /1000000 bytes does not fit on \d+ pages/,
  },
  "the flags of a large value's page": {
    edit: ({ view, largePage }) => view.setUint16(largePage + PAGE_FLAGS, 2, true),
    message: /flags are 2, not 4/,
  },
  "the number of a large value's pages": {
    edit: ({ view, largePage }) => addTo(view, largePage + OVERFLOW_PAGES, 1),
    message: /begins a run of \d pages, not \d/,
  },
  "a free page that is in use": {
    edit: ({ view, pageBytes, mainRoot, freeRecord }) => {
      view.setUint32(freeRecord, 1, true);
      view.setUint32(freeRecord + 8, mainRoot / pageBytes, true);
    },
    message: /which something else refers to as well/,
  },
  "more free pages than there is room for": {
    edit: ({ view, freeRecord }) => view.setUint32(freeRecord, 9_999, true),
    message: /has 9999 entries/,
  },
  "free pages that end with the length of a run": {
    edit: ({ view, freeRecord }) => {
      view.setUint32(freeRecord, 1, true);
      view.setBigInt64(freeRecord + 8, -1n, true);
    },
    message: /ends inside a run/,
  },
  "pages that no transaction has freed": {
    edit: ({ view, freeRoot }) => view.setUint32(nodeOf(view, freeRoot, 0) + KEY, 0, true),
    message: /transaction 0 freed/,
  },
};

for (const [name, { edit, message }] of Object.entries(EDITS)) {
  test(`a damaged data file is refused: ${name}`, () =>
    withOriginal(async (file, original) => {
      await writeFile(file, original.bytes);
      await checkDataFile(file);
      await writeEdited(file, original, edit);
      await assertRefused(file, "CORRUPT", message);
    }));
}

async function writeEdited(
  file: string,
  original: Original,
  edit: (edited: Edited) => void,
): Promise<void> {
  const bytes = original.bytes.slice();
  const view = new DataView(bytes.buffer);
  const pageBytes = view.getUint32(PAGE_BYTES, true);
  const transactionOf = (page: number) => view.getUint32(page + TRANSACTION, true);
  const newest = transactionOf(0) > transactionOf(pageBytes) ? 0 : pageBytes;
  const pageAt = (offset: number) => view.getUint32(offset, true) * pageBytes;
  const mainRoot = pageAt(newest + MAIN_ROOT);
  const freeRoot = pageAt(newest + FREE_ROOT);
  const trees = nodesBelow(view, mainRoot, 1, pageBytes).map((node) => valueOf(view, node));
  const names = [...KEYSPACES].sort();
  const treeOf = (name: Keyspace) => trees[names.indexOf(name)] ?? assert.fail();
  const entries = treeOf("entries");
  const snapshots = treeOf("snapshots");
  const snapshotNodes = nodesBelow(
    view,
    pageAt(snapshots + TREE_ROOT),
    view.getUint16(snapshots + TREE_DEPTH, true),
    pageBytes,
  );
  const largeNode = snapshotNodes.find((node) => view.getUint16(node + NODE_FLAGS, true) === 1);
  assert.ok(largeNode);
  edit({
    view,
    pageBytes,
    newest,
    older: pageBytes - newest,
    mainRoot,
    freeRoot,
    freeRecord: valueOf(view, nodeOf(view, freeRoot, 0)),
    entriesRoot: pageAt(entries + TREE_ROOT),
    snapshotNodes,
    largeNode,
    largePage: pageAt(valueOf(view, largeNode)),
  });
  await writeFile(file, bytes);
}

function addTo(view: DataView, offset: number, difference: number): void {
  view.setUint8(offset, view.getUint8(offset) + difference);
}

function nodeOf(view: DataView, page: number, index: number): number {
  return page + HEADER_BYTES + view.getUint16(page + HEADER_BYTES + 2 * index, true);
}

function valueOf(view: DataView, node: number): number {
  return node + KEY + view.getUint16(node + KEY_BYTES, true);
}

/** The nodes of all leaves under a page. */
function nodesBelow(view: DataView, page: number, depth: number, pageBytes: number): number[] {
  const count = view.getUint16(page + PAGE_LOWER, true) / 2;
  const nodes = Array.from({ length: count }, (_, index) => nodeOf(view, page, index));
  if (depth === 1) return nodes;
  return nodes.flatMap((node) =>
    nodesBelow(view, view.getUint32(node, true) * pageBytes, depth - 1, pageBytes)
  );
}
