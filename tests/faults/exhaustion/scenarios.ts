/**
 * What may run out, and what must hold then: whoever is refused is told why; what was there before
 * stays; and when there is enough again, it goes on.
 *
 * @module
 */

import { closeSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { devNull } from "node:os";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { randomFrom } from "../../conformance/random.ts";
import { Child } from "../../processes/child.ts";
import { raiseFileSizeLimit } from "../../processes/file_size_limit.ts";
import { CheckedJournals } from "./journal.ts";

/** What runs out. */
export type ExhaustionKind =
  | "disk full"
  | "quota used up"
  | "no inodes"
  | "file size limit"
  | "map full"
  | "too many readers"
  | "no file handles"
  | "huge value";

/** Runs out of something: gets an empty directory and a seed. */
export type Scenario = (path: string, seed: number) => Promise<ExhaustionReport>;

/** What came of it. */
export interface ExhaustionReport {
  readonly problems: readonly string[];
  readonly acknowledged: number;
  /** How often something was refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
}

const MIB = 2 ** 20;
/** More appends than fit into anything that a scenario allows. */
const MAX_APPENDS = 20_000;
const MAX_READERS = 2;

/** The scenarios. */
export const scenarios: Readonly<Record<ExhaustionKind, Scenario>> = {
  "disk full": diskFull,
  "quota used up": (path, seed) =>
    diskFull(path, seed, { makeRoom: () => liftQuota(path), isForeseen: false }),
  "no inodes": noInodes,
  "file size limit": (path, seed) => diskFull(path, seed, { makeRoom: raiseFileSizeLimit }),
  "map full": mapFull,
  "too many readers": tooManyReaders,
  "no file handles": noFileHandles,
  "huge value": hugeValue,
};

/** What is different if not the file system is full. */
interface Fullness {
  /** Makes room beside what is removed. */
  readonly makeRoom?: () => void;
  /** Whether the adapter knows it before LMDB does, whatever is appended. */
  readonly isForeseen?: boolean;
}

/**
 * The file system has little room, or files may not become larger. Truncation makes room, and in the
 * end there is space again. All of that goes on without being reopened, if it is foreseen.
 */
async function diskFull(
  path: string,
  seed: number,
  { makeRoom = () => {}, isForeseen = true }: Fullness = {},
): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const journals = await CheckedJournals.open({ path: join(path, "data") }, random);
  for (let count = random.below(20); count > 0; count--) await journals.append();
  const ballast = fill(join(path, "ballast"), random.below(MIB));
  let isFull = false;
  for (let count = 0; count < MAX_APPENDS && !isFull; count++) {
    for (const outcome of await journals.appendMany(1 + random.below(4))) {
      isFull ||= outcome !== "ok";
      refused.count(outcome);
    }
  }
  journals.expect(isFull, "it was never full");
  // What is there can be read, also by the provider that was refused.
  await journals.check("while full");
  for (const outcome of await journals.appendMany(3)) refused.count(outcome);
  if (isForeseen) {
    await journals.truncate();
    journals.expect(await journals.append(100) === "ok", "truncated, it is still full");
    for (const outcome of await journals.appendMany(3)) refused.count(outcome);
  }
  ballast.remove();
  makeRoom();
  const outcome = await journals.append(100);
  const goesOn = outcome === "ok" || (!isForeseen && outcome === "REOPEN_REQUIRED");
  journals.expect(goesOn, `with room again, an append was rejected with ${outcome}`);
  await journals.reopen();
  await journals.check("reopened");
  journals.expect(await journals.append(100) === "ok", "reopened, an append was rejected");
  await journals.check("in the end");
  await journals.close();
  for (const code of refused.codes) {
    const isRight = code === "STORAGE_FULL" || (!isForeseen && code === "REOPEN_REQUIRED");
    journals.expect(isRight, `an append was rejected with ${code}`);
  }
  return reportOf(journals, refused);
}

/** See `shim.c`. */
function liftQuota(path: string): void {
  writeFileSync(join(path, "unlimited"), "");
}

/** The limit that the provider was opened with is reached. It goes on without being reopened. */
async function mapFull(path: string, seed: number): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const journals = await CheckedJournals.open(
    { path, mapSize: (1 + random.below(3)) * MIB },
    random,
  );
  for (let round = 0; round < 3; round++) {
    let isFull = false;
    for (let count = 0; count < MAX_APPENDS && !isFull; count++) {
      for (const outcome of await journals.appendMany(1 + random.below(4))) {
        isFull ||= outcome !== "ok";
        refused.count(outcome);
      }
    }
    journals.expect(isFull, "it was never full");
    await journals.check("while full");
    await journals.truncate();
    journals.expect(await journals.append(100) === "ok", "truncated, it is still full");
  }
  await journals.reopen();
  await journals.check("reopened");
  await journals.close();
  for (const code of refused.codes) {
    journals.expect(code === "STORAGE_FULL", `an append was rejected with ${code}`);
  }
  return reportOf(journals, refused);
}

/** Other processes take all places of readers. Nobody is hurt, and one that leaves makes room. */
async function tooManyReaders(path: string, seed: number): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const options = { path, maxReaders: MAX_READERS };
  const journals = await CheckedJournals.open(options, random);
  await journals.appendMany(5);
  const others: Child[] = [];
  try {
    for (let count = 0; count < MAX_READERS + 1; count++) {
      const other = new Child("faults/exhaustion/reader", options);
      others.push(other);
      refused.count(await other.report<string>());
    }
    journals.expect(refused.codes.length > 0, "nobody was refused");
    // It has its place already.
    await journals.check("with too many readers");
    journals.expect(await journals.append() === "ok", "an append was rejected");
    for (const other of others) other.go();
    for (const other of others) {
      const { code, signal, errors } = await other.ended;
      journals.expect(code === 0, `a reader ended with ${signal ?? code}: ${errors}`);
    }
    const late = new Child("faults/exhaustion/reader", options);
    others.push(late);
    const outcome = await late.report<string>();
    journals.expect(outcome === "ok", `with room again, a reader was refused with ${outcome}`);
  } finally {
    for (const other of others) await other.kill();
  }
  await journals.check("in the end");
  await journals.close();
  for (const code of refused.codes) {
    journals.expect(
      code === "OPEN_FAILED" || code === "STORAGE_FAILED",
      `a reader was refused with ${code}`,
    );
  }
  return reportOf(journals, refused);
}

/** This process may open no further file. */
async function noFileHandles(path: string, seed: number): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const journals = await CheckedJournals.open({ path: join(path, "one") }, random);
  await journals.appendMany(5);
  await mkdir(join(path, "other"));
  const handles = takeAllHandles();
  // Who has it open needs no further handle.
  for (const outcome of await journals.appendMany(5)) {
    journals.expect(outcome === "ok", `an append was rejected with ${outcome}`);
  }
  await journals.check("without file handles");
  for (const name of ["other", "new", "one/below"]) {
    // Some are left in between: opening must fail cleanly wherever it runs out of them.
    const spare = handles.splice(0, random.below(14));
    for (const handle of spare) closeSync(handle);
    try {
      await (await LmdbPersistenceProvider.open({ path: join(path, name) })).close();
    } catch (error) {
      refused.count(journals.codeOf(error));
    }
    handles.push(...takeAllHandles());
  }
  for (const handle of handles) closeSync(handle);
  await using other = await LmdbPersistenceProvider.open({ path: join(path, "other") });
  const number = await other.createMessageJournal<number>().append("a", 1);
  journals.expect(number === 0, `with handles again, the first message got ${number}`);
  await journals.check("in the end");
  await journals.close();
  for (const code of refused.codes) {
    journals.expect(code === "OPEN_FAILED", `an opening was refused with ${code}`);
  }
  return reportOf(journals, refused);
}

/** The file system has room, but not for one more file or directory. */
async function noInodes(path: string, seed: number): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const journals = await CheckedJournals.open({ path: join(path, "one") }, random);
  await journals.appendMany(5);
  await mkdir(join(path, "other"));
  const files = takeAllInodes(path);
  // Who has it open needs no further file.
  for (const outcome of await journals.appendMany(20)) {
    journals.expect(outcome === "ok", `an append was rejected with ${outcome}`);
  }
  await journals.check("without inodes");
  for (const name of ["other", "new", "one/below"]) {
    // Some are left: opening must fail cleanly wherever it runs out of them.
    for (const file of files.splice(0, random.below(6))) rmSync(file);
    try {
      await (await LmdbPersistenceProvider.open({ path: join(path, name) })).close();
    } catch (error) {
      refused.count(journals.codeOf(error));
    }
    files.push(...takeAllInodes(path));
  }
  for (const file of files) rmSync(file);
  await using other = await LmdbPersistenceProvider.open({ path: join(path, "other") });
  const number = await other.createMessageJournal<number>().append("a", 1);
  journals.expect(number === 0, `with inodes again, the first message got ${number}`);
  await journals.reopen();
  await journals.check("in the end");
  await journals.close();
  for (const code of refused.codes) {
    journals.expect(code === "OPEN_FAILED", `an opening was refused with ${code}`);
  }
  return reportOf(journals, refused);
}

/**
 * Values that are too large for the provider, for an array, or for the memory there is. (To take
 * the memory away from a process does not work: the runtimes then end it.)
 */
async function hugeValue(path: string, seed: number): Promise<ExhaustionReport> {
  const random = randomFrom(seed);
  const refused = new Refusals();
  const journals = await CheckedJournals.open({ path }, random);
  await journals.appendMany(3);
  const journal = journals.provider.createMessageJournal<unknown>();
  const snapshots = journals.provider.createSnapshotStore<unknown>();
  const large = "x".repeat(17 * MIB);
  // The same text 256 times takes no memory by itself, but 4 GiB when it is encoded.
  const huge = new Array<string>(256).fill(large.slice(0, 16 * MIB));
  const calls: (() => Promise<unknown>)[] = [
    () => journal.append("huge", large),
    () => journal.appendBatch("huge", ["small", large]),
    () => journal.append("huge", huge),
    () => snapshots.saveSnapshot("huge", huge, 0),
    () => journal.append("huge", new Uint8Array(17 * MIB)),
  ];
  for (const call of calls) {
    const [outcome] = await Promise.all([
      call().then(() => "ok", (error) => journals.codeOf(error)),
      // Beside it others go on.
      journals.appendMany(2),
    ]);
    refused.count(outcome);
    journals.expect(outcome !== "ok", "a huge value was taken");
  }
  journals.expect(await journal.getHighestSequenceNumber("huge") === -1, "it took a number");
  await journals.check("in the end");
  await journals.reopen();
  await journals.check("reopened");
  await journals.close();
  for (const code of refused.codes) {
    journals.expect(
      code === "TOO_LARGE" || code === "UNENCODABLE",
      `a huge value was refused with ${code}`,
    );
  }
  return reportOf(journals, refused);
}

class Refusals {
  readonly byCode: Record<string, number> = {};

  /** Counts an outcome, unless it is "ok". */
  count(outcome: string): void {
    if (outcome !== "ok") this.byCode[outcome] = (this.byCode[outcome] ?? 0) + 1;
  }

  get codes(): string[] {
    return Object.keys(this.byCode);
  }
}

function reportOf(journals: CheckedJournals, refused: Refusals): ExhaustionReport {
  const { problems, acknowledged } = journals;
  return { problems, acknowledged, refused: refused.byCode };
}

/** A file that takes up room. */
function fill(file: string, bytes: number): { remove(): void } {
  const descriptor = openSync(file, "w");
  try {
    writeSync(descriptor, new Uint8Array(bytes));
  } finally {
    closeSync(descriptor);
  }
  return { remove: () => rmSync(file) };
}

/** Opens files until that fails. */
function takeAllHandles(): number[] {
  const handles: number[] = [];
  try {
    for (;;) handles.push(openSync(devNull, "r"));
  } catch {
    // That is the aim.
    return handles;
  }
}

let inodesTaken = 0;

/** Creates files until that fails. */
function takeAllInodes(path: string): string[] {
  const files: string[] = [];
  try {
    for (;;) {
      const file = join(path, `inode-${inodesTaken++}`);
      closeSync(openSync(file, "wx"));
      files.push(file);
    }
  } catch {
    // That is the aim.
    return files;
  }
}
