import { cp, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { Child } from "../../processes/child.ts";
import { bun, currentRuntime, deno, type Runtime } from "../../processes/runtimes.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { goOn } from "../go_on.ts";
import { Ledger, LedgerError, type LedgerRecord } from "../ledger.ts";
import { actorsOf, type LoadMix } from "../load.ts";
import type { KillWriterJob, WritingThreads } from "./writer.ts";

/** One process of so many writes in a worker thread. */
const PER_WORKER = 4;
/** One of so many has worker threads that die: they take most of the time. */
const PER_DYING_WORKERS = 12;
const ACTORS = 5;
const LANES = 24;
const MESSAGE_BYTES = 500;
const STATE_BYTES = 20_000;
const MAX_STARTING_MS = 300;
const MAX_STOPPED_MS = 100;
const HOUR_MS = 3_600_000;
const MAX_WRITING_MS = 120;
/** One database sees so many kills. Then there is a new one, which is created under fire, too. */
const ROUNDS_PER_DATABASE = 20;
/** A survivor that gets nothing acknowledged for so long hangs. */
const SURVIVOR_TIMEOUT_MS = 30_000;

const runtimes = [currentRuntime, ...[bun, deno].filter((runtime) => runtime !== undefined)]
  .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);

/** A fault that kills writers. */
export interface Kill extends Pick<Fault, "name" | "title" | "expectsFailures"> {
  readonly mix: LoadMix;
  /** How many processes write at once, at the most. */
  readonly maxWriters: number;
  /** Whether commits are acknowledged before they are flushed: a mistake that must be noticed. */
  readonly early?: boolean;
}

/**
 * Makes a fault: writers are killed, and what was acknowledged to them is looked for.
 *
 * @param definition What is written, and what is tried.
 * @returns The fault.
 */
export function killFault(definition: Kill): Fault {
  const { name, title, expectsFailures = false } = definition;
  return {
    name,
    title,
    unit: "rounds",
    expectsFailures,
    run: (options) => new Run(definition, options).run(),
  };
}

class Run {
  readonly #definition: Kill;
  readonly #options: FaultOptions;
  readonly #random: Random;
  readonly #failures: string[] = [];
  #acknowledgements = 0;
  #writers = 0;

  constructor(definition: Kill, options: FaultOptions) {
    this.#definition = definition;
    this.#options = options;
    this.#random = randomFrom(options.seed);
  }

  async run(): Promise<FaultResult> {
    const { count, progress } = this.#options;
    let round = 0;
    while (round < count) {
      const path = await mkdtemp(join(tmpdir(), "cajun-kill-"));
      const ledger = new Ledger();
      const end = Math.min(count, round + ROUNDS_PER_DATABASE);
      try {
        while (round < end) {
          await this.#round(path, ledger, round++);
          progress(round);
        }
      } catch (error) {
        await this.#note(path, round - 1, error);
      } finally {
        this.#acknowledgements += ledger.acknowledgements;
        await rm(path, { recursive: true });
      }
    }
    const figures = {
      "processes killed": this.#writers,
      "acknowledged operations checked": this.#acknowledgements,
    };
    return { tried: round, failures: this.#failures, figures };
  }

  async #round(path: string, ledger: Ledger, round: number): Promise<void> {
    const writers: Writer[] = [];
    try {
      for (let index = this.#random.below(this.#definition.maxWriters); index >= 0; index--) {
        // At least one of them is of the runtime that is tried.
        const runtime = index === 0 ? undefined : runtimes[this.#random.below(runtimes.length)];
        const name = `${round}-${index}`;
        const { mix, early = false } = this.#definition;
        const writer = new Writer({ path, ledger, name, runtime, mix, early }, this.#random);
        writers.push(writer);
      }
      this.#writers += writers.length;
      // Some are killed while they start, which is also when the database is created.
      if (this.#random.below(4) > 0) await Promise.all(writers.map(({ ready }) => ready));
      else await sleep(this.#random.below(MAX_STARTING_MS));
      await sleep(this.#random.below(MAX_WRITING_MS));
      const isStaggered = this.#random.below(2) === 0;
      for (let victim; (victim = writers.pop()) !== undefined;) {
        if (this.#random.below(3) === 0) {
          victim.stop();
          await sleep(this.#random.below(MAX_STOPPED_MS));
        }
        await victim.kill();
        // Whoever dies holding the write lock must not stop the others.
        if (isStaggered) await Promise.all(writers.map((writer) => writer.hasGoneOn()));
      }
    } finally {
      await Promise.all(writers.map((writer) => writer.dispose()));
    }
    if (this.#random.below(4) === 0) await reuseIds(path);
    await using provider = await LmdbPersistenceProvider.open({ path });
    await ledger.check(provider);
    const writer = `${round}-check`;
    await goOn(provider, {
      writer,
      actorIds: actorsOf({ actors: ACTORS }),
      tell: (record) => ledger.note(writer, record),
    });
    await ledger.adopt(provider);
  }

  async #note(path: string, round: number, error: unknown): Promise<void> {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (this.#definition.expectsFailures) {
      // A loss is what is expected, nothing else. A log that lacks a record is damaged.
      const isDamage = error instanceof PersistenceError && error.code === "CORRUPT";
      if (!(error instanceof LedgerError) && !isDamage) throw error;
      this.#failures.push(`round ${round}: ${reason}`);
      return;
    }
    const kept = join(tmpdir(), `cajun-kill-${this.#options.seed}-${round}`);
    // Not the sockets, which cannot be copied.
    await cp(path, kept, {
      recursive: true,
      filter: (file) => !/\.(presence|starting)-/.test(file),
    });
    this.#failures.push(`round ${round} (database kept in ${kept}): ${reason}`);
  }
}

function drawThreads(random: Random): WritingThreads {
  if (random.below(PER_DYING_WORKERS) === 0) return "main beside dying workers";
  return random.below(PER_WORKER) === 0 ? "worker" : "main";
}

/** What the dead have left looks as if a process had left it that lives. */
async function reuseIds(path: string): Promise<void> {
  const names = (await readdir(path)).filter((name) => name.startsWith(".presence-"));
  await Promise.all(names.map(async (name) => {
    const reused = name.replace(/^\.presence-\d+-/, `.presence-${process.pid}-`);
    await rename(join(path, name), join(path, reused));
  }));
}

interface WriterOptions {
  readonly path: string;
  readonly ledger: Ledger;
  readonly name: string;
  readonly runtime: Runtime | undefined;
  readonly mix: LoadMix;
  readonly early: boolean;
}

/** A process that writes until it is killed. */
class Writer {
  /** Resolves when it has begun to write. */
  readonly ready: Promise<void>;

  readonly #child: Child;
  readonly #reading: Promise<void>;
  #acknowledgements = 0;
  #onReport: () => void = () => {};

  constructor(options: WriterOptions, random: Random) {
    const { path, ledger, name, runtime, mix, early } = options;
    const job: KillWriterJob = {
      path,
      early,
      // What is acknowledged early need not be written when a thread dies.
      threads: early ? "main" : drawThreads(random),
      clockStepMs: (random.below(3) - 1) * HOUR_MS,
      load: {
        writer: name,
        seed: random.below(2 ** 32),
        mix,
        actors: ACTORS,
        lanes: LANES,
        messageBytes: MESSAGE_BYTES,
        stateBytes: STATE_BYTES,
      },
    };
    this.#child = new Child("faults/kill/writer", job, { runtime });
    let begin = () => {};
    this.ready = new Promise((resolve) => {
      begin = resolve;
    });
    this.#reading = this.#read(name, ledger, begin);
  }

  /** Stops it, wherever it is. */
  stop(): void {
    this.#child.signal("SIGSTOP");
  }

  /** Kills it, and reads all that it has told before. */
  async kill(): Promise<void> {
    const { code, signal, errors } = await this.#child.kill();
    await this.#reading;
    if (signal !== "SIGKILL") throw new Error(`a writer ended with ${signal ?? code}: ${errors}`);
  }

  /** Resolves when something more has been acknowledged to it. */
  async hasGoneOn(): Promise<void> {
    const before = this.#acknowledgements;
    const goesOn = new Promise<void>((resolve) => {
      this.#onReport = () => {
        if (this.#acknowledgements > before) resolve();
      };
    });
    const ended = this.#child.ended.then(({ code, signal, errors }) => {
      throw new Error(`a survivor ended with ${signal ?? code}: ${errors}`);
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("a survivor hangs")), SURVIVOR_TIMEOUT_MS);
    });
    // It ends later, too: by us.
    ended.catch(() => {});
    try {
      await Promise.race([goesOn, ended, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills it if it has not been killed. */
  async dispose(): Promise<void> {
    await this.#child.kill();
    await this.#reading.catch(() => {
      // What has made the round fail counts.
    });
  }

  async #read(name: string, ledger: Ledger, begin: () => void): Promise<void> {
    try {
      for (let report; (report = await this.#child.next()) !== undefined;) {
        begin();
        if (report === "ready") continue;
        // The writer reports so.
        const record = report as LedgerRecord;
        ledger.note(name, record);
        if ("acknowledges" in record) this.#acknowledgements++;
        this.#onReport();
      }
    } finally {
      // It has ended without having begun: `kill` tells.
      begin();
    }
  }
}
