/**
 * A file on a disk that may lose power: what is safe, and what has been written but not flushed, any
 * part of which may be there.
 *
 * @module
 */

import type { Random } from "../../conformance/random.ts";
import type { LogRecord } from "./log.ts";

/** What a disk writes wholly or not at all. */
const SECTOR_BYTES = 512;
/** How finely an image is torn: at sectors, or at those that most disks have by now. */
const TEARS = [512, 4096] as const;

/** A piece of a write, within one sector. */
interface Piece {
  /** Counts up over all writes. */
  readonly write: number;
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface Flush {
  /** What had been written by then is safe when it has ended. */
  readonly writes: ReadonlySet<number>;
  readonly length: number;
}

/** What is on the disk after a power loss. */
export interface Image {
  /** The file, or `undefined` if its entry in the directory is lost. */
  readonly bytes: Uint8Array | undefined;
  /** How it was chosen. */
  readonly how: string;
}

/** Chooses which of the writes that are not safe yet have reached the disk, if they were whole. */
type Choice = (write: number, random: Random) => boolean;

/** A file on a disk that may lose power. */
export class Disk {
  #safe: Uint8Array;
  #safeLength: number;
  #length: number;
  /** Whether the file has its name, and whether the directory that says so has been flushed. */
  #isLinked: boolean;
  #hasEntry: boolean;
  /** By sector, in the order of the writes. */
  readonly #pending = new Map<number, Piece[]>();
  readonly #ids = new Map<number, number>();
  readonly #written = new Set<number>();
  readonly #flushes = new Map<number, Flush>();
  #writes = 0;

  /** @param base What is safely there at first, if anything. */
  constructor(base?: Uint8Array) {
    this.#safe = new Uint8Array(Math.max(1 << 16, base?.length ?? 0));
    if (base) this.#safe.set(base);
    this.#safeLength = base?.length ?? 0;
    this.#length = this.#safeLength;
    this.#isLinked = base !== undefined;
    this.#hasEntry = base !== undefined;
  }

  /** Lets what a record tells happen. */
  advance(record: LogRecord): void {
    switch (record.kind) {
      case "write":
        return this.#write(record.id, record.at, record.bytes);
      case "resize":
        this.#length = record.length;
        return;
      case "written":
        this.#written.add(this.#numberOf(record.id));
        return;
      case "durable":
        return this.#makeSafe(this.#numberOf(record.id));
      case "flush":
        this.#flushes.set(record.id, { writes: new Set(this.#written), length: this.#length });
        return;
      case "flushed":
        return this.#flushed(record.id);
      case "link":
        this.#isLinked = true;
        return;
      case "directory":
        this.#hasEntry = this.#isLinked;
        return;
      case "mark":
        return;
    }
  }

  /** Whether something has been written that is not safe yet. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** What may be there if the power fails now. */
  image(random: Random): Image {
    const tear = TEARS[random.below(TEARS.length)] ?? SECTOR_BYTES;
    const [name, choose] = this.#pickChoice(random);
    const length = this.#pickLength(random);
    const how = `${name}, torn at ${tear}, ${length} bytes`;
    // A file system may have flushed the entry by itself, before it is told to.
    if (!this.#isLinked || (!this.#hasEntry && random.below(4) === 0)) {
      return { bytes: undefined, how: "no file" };
    }
    const bytes = new Uint8Array(length);
    bytes.set(this.#safe.subarray(0, Math.min(length, this.#safeLength)));
    const isChosen = memoized((write) => choose(write, random));
    const units = new Map<number, Piece[]>();
    for (const [sector, pieces] of this.#pending) {
      const unit = Math.floor(sector * SECTOR_BYTES / tear);
      units.set(unit, [...units.get(unit) ?? [], ...pieces]);
    }
    for (const pieces of units.values()) apply(bytes, pieces, pickCut(pieces, isChosen, random));
    return { bytes, how };
  }

  #write(id: number, at: number, bytes: Uint8Array): void {
    const write = this.#writes++;
    this.#ids.set(id, write);
    for (let done = 0; done < bytes.length;) {
      const position = at + done;
      const sector = Math.floor(position / SECTOR_BYTES);
      const end = Math.min(bytes.length, (sector + 1) * SECTOR_BYTES - at);
      const piece = { write, at: position, bytes: bytes.subarray(done, end) };
      const pieces = this.#pending.get(sector);
      if (pieces) pieces.push(piece);
      else this.#pending.set(sector, [piece]);
      done = end;
    }
    this.#length = Math.max(this.#length, at + bytes.length);
  }

  /** A write is safe at once. So is what had been written to its sectors before. */
  #makeSafe(write: number): void {
    let end = 0;
    for (const [sector, pieces] of this.#pending) {
      const last = pieces.findLastIndex((piece) => piece.write === write);
      if (last === -1) continue;
      end = Math.max(
        end,
        ...pieces.slice(0, last + 1).map((piece) => piece.at + piece.bytes.length),
      );
      this.#settle(sector, pieces, last + 1);
    }
    this.#safeLength = Math.max(this.#safeLength, end);
  }

  #flushed(id: number): void {
    const flush = this.#flushes.get(id);
    if (!flush) throw new Error(`flush ${id} has ended, but never begun`);
    this.#flushes.delete(id);
    for (const [sector, pieces] of this.#pending) {
      const open = pieces.findIndex(({ write }) => !flush.writes.has(write));
      this.#settle(sector, pieces, open === -1 ? pieces.length : open);
    }
    for (const write of flush.writes) this.#written.delete(write);
    this.#safeLength = Math.max(this.#safeLength, flush.length);
  }

  #settle(sector: number, pieces: readonly Piece[], count: number): void {
    for (const { at, bytes } of pieces.slice(0, count)) {
      this.#reserve(at + bytes.length);
      this.#safe.set(bytes, at);
    }
    if (count === pieces.length) this.#pending.delete(sector);
    else this.#pending.set(sector, pieces.slice(count));
  }

  #reserve(length: number): void {
    if (length <= this.#safe.length) return;
    const larger = new Uint8Array(Math.max(length, 2 * this.#safe.length));
    larger.set(this.#safe);
    this.#safe = larger;
  }

  #numberOf(id: number): number {
    const write = this.#ids.get(id);
    // It stands for a resize, which needs no end.
    if (write === undefined) return -1;
    return write;
  }

  #pickChoice(random: Random): [string, Choice] {
    const pending = this.#pendingWrites();
    const one = pending[random.below(Math.max(1, pending.length))] ?? -1;
    const percent = [10, 50, 90][random.below(3)] ?? 50;
    const choices: readonly [string, Choice][] = [
      ["nothing that was not flushed", () => false],
      ["everything", () => true],
      [`${percent} % of the writes`, (_, random) => random.below(100) < percent],
      [`all writes but number ${one}`, (write) => write !== one],
      [`only write ${one}`, (write) => write === one],
      [`writes up to ${one}`, (write) => write <= one],
      [`writes from ${one} on`, (write) => write >= one],
    ];
    return choices[random.below(choices.length)] ?? ["everything", () => true];
  }

  #pendingWrites(): number[] {
    const writes = new Set<number>();
    for (const pieces of this.#pending.values()) for (const { write } of pieces) writes.add(write);
    return [...writes].sort((a, b) => a - b);
  }

  /** The length of a file is flushed like its content: it may lag behind, or be ahead of it. */
  #pickLength(random: Random): number {
    const [from, to] = [this.#safeLength, this.#length].sort((a, b) => a - b);
    if (from === undefined || to === undefined || from === to) return this.#length;
    switch (random.below(4)) {
      case 0:
        return from;
      case 1:
        return from + random.below(Math.floor((to - from) / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      default:
        return to;
    }
  }
}

/**
 * Up to which write a unit has reached the disk. A later write of a unit carries the earlier ones
 * with it, for what is written is the unit as memory has it.
 */
function pickCut(
  pieces: readonly Piece[],
  isChosen: (write: number) => boolean,
  random: Random,
): number {
  const chosen = pieces.filter(({ write }) => isChosen(write)).map(({ write }) => write);
  if (chosen.length === 0) return -1;
  // Now and then a unit is missing, or older, that the choice would have: the write is torn.
  if (random.below(12) === 0) return (chosen[random.below(chosen.length)] ?? 0) - 1;
  return Math.max(...chosen);
}

function apply(bytes: Uint8Array, pieces: readonly Piece[], cut: number): void {
  for (const { write, at, bytes: content } of pieces) {
    if (write > cut || at >= bytes.length) continue;
    bytes.set(content.subarray(0, bytes.length - at), at);
  }
}

function memoized(choose: (write: number) => boolean): (write: number) => boolean {
  const chosen = new Map<number, boolean>();
  return (write) => {
    const known = chosen.get(write) ?? choose(write);
    chosen.set(write, known);
    return known;
  };
}
