import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { randomFrom } from "../../conformance/random.ts";
import { Child } from "../../processes/child.ts";
import type { SoakSample } from "./judge.ts";
import type { SoakReaderJob, SoakReaderReport } from "./reader.ts";
import type { SoakMessage, SoakWriterJob, SoakWriterReport } from "./writer.ts";

/** A long run. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** How often one of the writers is killed, in seconds. */
  readonly killEverySeconds: number;
  /** Is told each sample. */
  readonly onSample: (sample: SoakSample) => void;
}

/** What came of it. */
export interface SoakResult {
  readonly samples: readonly SoakSample[];
  /** When a writer was killed, in seconds. */
  readonly kills: readonly number[];
  /** How many acknowledged messages of how many actors were there in the end, and after kills. */
  readonly actors: number;
  readonly acknowledged: number;
  readonly read: number;
}

/** Half of them belong to each writer, and some to both. */
const ACTORS = 400;
const COMMON_ACTORS = 20;
/** Operations per second and writer. */
const RATE = 1_500;

/**
 * Runs two writers and a reader on one database for some time. One of the writers is killed now and
 * then, and another takes its place: what was acknowledged to it must be there.
 *
 * @param options How long, and how.
 * @returns What was measured.
 * @throws {Error} Where something was lost, or a process has ended by itself.
 */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const path = await mkdtemp(join(tmpdir(), "cajun-soak-"));
  try {
    return await new Soak(path, options).run();
  } finally {
    await rm(path, { recursive: true });
  }
}

class Soak {
  readonly #path: string;
  readonly #options: SoakOptions;
  readonly #random;
  readonly #startedAt = performance.now();
  readonly #highest = new Map<string, number>();
  readonly #samples: SoakSample[] = [];
  readonly #kills: number[] = [];
  readonly #ended: Promise<undefined>;
  #end: () => void = () => {};
  #read = 0;
  #readerBytes = 0;

  constructor(path: string, options: SoakOptions) {
    this.#path = path;
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#ended = new Promise((resolve) => {
      this.#end = () => resolve(undefined);
    });
  }

  async run(): Promise<SoakResult> {
    await using steady = this.#startWriter("steady");
    const [steadyActs, whenSteady] = this.#follow(steady, true);
    await whenSteady;
    await using reader = new Child("faults/soak/reader", this.#readerJob());
    const readerActs = this.#followReader(reader);
    const kills = this.#killNowAndThen();
    await Promise.race([steadyActs, readerActs, kills]);
    this.#end();
    await kills;
    steady.go();
    reader.go();
    await Promise.all([steadyActs, readerActs]);
    await assertGood(steady, "the writer");
    await assertGood(reader, "the reader");
    await this.#check(true);
    const acknowledged = [...this.#highest.values()].reduce((sum, highest) => sum + highest + 1, 0);
    return {
      samples: this.#samples,
      kills: this.#kills,
      actors: this.#highest.size,
      acknowledged,
      read: this.#read,
    };
  }

  get #seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }

  async #killNowAndThen(): Promise<void> {
    const { seconds, killEverySeconds } = this.#options;
    let isOver = false;
    void this.#ended.then(() => isOver = true);
    while (this.#seconds < seconds && !isOver) {
      await using victim = this.#startWriter("killed");
      const [acts, whenReady] = this.#follow(victim, false);
      await whenReady;
      const left = seconds - this.#seconds;
      const lifetime = killEverySeconds * (0.5 + this.#random.below(1_000) / 1_000);
      const end = await within(
        1_000 * Math.min(left, lifetime),
        Promise.race([victim.ended, this.#ended]),
      );
      if (end) throw new Error(`a writer ended with ${end.signal ?? end.code}: ${end.errors}`);
      await victim.kill();
      await acts;
      this.#kills.push(this.#seconds);
      await this.#check(false);
    }
  }

  /** What was acknowledged is there; in the end, everything can be read. */
  async #check(whole: boolean): Promise<void> {
    await using provider = await LmdbPersistenceProvider.open({ path: this.#path, readOnly: true });
    const journal = provider.createMessageJournal<SoakMessage>();
    for (const [actorId, acknowledged] of this.#highest) {
      const highest = await journal.getHighestSequenceNumber(actorId);
      if (highest < acknowledged) {
        throw new Error(`${actorId}: ends at ${highest}, but ${acknowledged} was acknowledged`);
      }
      if (!whole) continue;
      const last = (await journal.readFrom(actorId, 0)).at(-1)?.sequenceNumber;
      if (last !== highest) throw new Error(`${actorId}: ends at ${highest}, but ${last} is read`);
    }
  }

  #startWriter(kind: "steady" | "killed"): Child {
    const own = this.#actorIds(kind, (ACTORS - COMMON_ACTORS) / 2);
    const job: SoakWriterJob = {
      path: this.#path,
      seed: this.#random.below(2 ** 32),
      actorIds: [...own, ...this.#actorIds("common", COMMON_ACTORS)],
      rate: RATE,
    };
    return new Child("faults/soak/writer", job);
  }

  #readerJob(): SoakReaderJob {
    return {
      path: this.#path,
      seed: this.#random.below(2 ** 32),
      actorIds: [
        ...this.#actorIds("steady", (ACTORS - COMMON_ACTORS) / 2),
        ...this.#actorIds("killed", (ACTORS - COMMON_ACTORS) / 2),
        ...this.#actorIds("common", COMMON_ACTORS),
      ],
    };
  }

  #actorIds(kind: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${kind}-${index}`);
  }

  /** Takes in what a writer reports: until it ends, and until it is ready. */
  #follow(writer: Child, isMeasured: boolean): [acts: Promise<void>, ready: Promise<void>] {
    let begin = () => {};
    const ready = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const acts = async () => {
      for (let report; (report = await writer.next()) !== undefined;) {
        begin();
        if (report === "ready") continue;
        // The writer reports so.
        const told = report as SoakWriterReport;
        if ("acknowledged" in told) this.#note(told.acknowledged);
        else if (isMeasured) await this.#sample(told.sample);
      }
      begin();
    };
    return [acts(), ready];
  }

  async #followReader(reader: Child): Promise<void> {
    for (let report; (report = await reader.next()) !== undefined;) {
      // The reader reports so.
      const { entries, memoryBytes } = report as SoakReaderReport;
      this.#read = entries;
      this.#readerBytes = memoryBytes;
    }
  }

  #note(acknowledged: Readonly<Record<string, number>>): void {
    for (const [actorId, highest] of Object.entries(acknowledged)) {
      this.#highest.set(actorId, Math.max(this.#highest.get(actorId) ?? -1, highest));
    }
  }

  async #sample(
    { messages, p50, p99, memoryBytes }: Extract<SoakWriterReport, { sample: unknown }>["sample"],
  ): Promise<void> {
    const { size } = await stat(join(this.#path, "data.mdb"));
    const sample = {
      seconds: this.#seconds,
      messages,
      p50,
      p99,
      writerBytes: memoryBytes,
      readerBytes: this.#readerBytes,
      fileBytes: size,
    };
    this.#samples.push(sample);
    this.#options.onSample(sample);
  }
}

async function assertGood(child: Child, name: string): Promise<void> {
  const { code, signal, errors } = await child.ended;
  if (code !== 0) throw new Error(`${name} ended with ${signal ?? code}: ${errors}`);
}

async function within<Result>(ms: number, promise: Promise<Result>): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, ms));
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
