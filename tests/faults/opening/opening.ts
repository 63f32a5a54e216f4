import { mkdtemp, readdir, rename, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import type { OwnerJob } from "../../lmdb/children/presence_owner.ts";
import { Child } from "../../processes/child.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { compileShim, shimUnavailable } from "../shim.ts";
import type { CommitterJob } from "./committer.ts";
import type { Opened, OpenerJob } from "./opener.ts";

/** One process commits and others open so often, then there is a new database. */
const OPENINGS_PER_DATABASE = 20;
const MAX_STEP_MS = 60;
const HOUR_MS = 3_600_000;

/** What happens while the database is opened. */
const DISTURBANCES = [
  "nothing",
  "worker threads",
  "worker threads that die",
  "the opener is stopped",
  "the committer is stopped",
  "the opener is killed",
  "others die, and leave files",
] as const;
type Disturbance = (typeof DISTURBANCES)[number];

/**
 * What is acknowledged while another process opens the database stays: LMDB would undo it, or crash.
 * The opener is made slow where it matters.
 */
export const openingFaults: readonly Fault[] = [
  {
    name: "opening",
    title: "another process opens the database, for writing or reading, while one commits",
    unit: "openings",
    unavailable: () => Promise.resolve(shimUnavailable("opening")),
    run: (options) => run(options, false),
  },
  {
    name: "opening-unguarded",
    title: "the same if the one that commits has no regard to the others",
    unit: "openings",
    expectsFailures: true,
    unavailable: () => Promise.resolve(shimUnavailable("opening")),
    run: (options) => run(options, true),
  },
];

async function run(options: FaultOptions, unguarded: boolean): Promise<FaultResult> {
  const { seed, count, progress } = options;
  const directory = await mkdtemp(join(tmpdir(), "cajun-opening-"));
  const random = randomFrom(seed);
  const failures: string[] = [];
  let tried = 0;
  let acknowledged = 0;
  try {
    const shim = join(directory, "shim.so");
    compileShim("opening", shim);
    for (let database = random.below(DISTURBANCES.length); tried < count; database++) {
      const round = new Round({
        path: join(directory, `${tried}`),
        shim,
        openings: Math.min(OPENINGS_PER_DATABASE, count - tried),
        readOnly: random.below(3) === 0,
        disturbance: unguarded ? "nothing" : DISTURBANCES[database % DISTURBANCES.length],
        unguarded,
      }, random);
      try {
        acknowledged += await round.run();
      } catch (error) {
        failures.push(`openings from ${tried} on, ${round}: ${error}`);
      }
      tried += round.openings;
      progress(tried);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return { tried, failures, figures: { "acknowledged messages checked": acknowledged } };
}

interface RoundOptions {
  readonly path: string;
  readonly shim: string;
  readonly openings: number;
  readonly readOnly: boolean;
  readonly disturbance: Disturbance | undefined;
  readonly unguarded: boolean;
}

/** Some openings of one database. */
class Round {
  readonly openings: number;

  readonly #options: RoundOptions;
  readonly #random: Random;
  /** The numbers that the openers' messages got. */
  readonly #numbers: number[] = [];
  #opened = 0;

  constructor(options: RoundOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.openings = options.openings;
  }

  toString(): string {
    const { readOnly, disturbance } = this.#options;
    return `${readOnly ? "read-only" : "for writing"}, meanwhile ${disturbance}`;
  }

  /** Returns how many acknowledged messages it has found again. */
  async run(): Promise<number> {
    const { path, unguarded } = this.#options;
    const job: CommitterJob = { path, unguarded };
    await using committer = new Child("faults/opening/committer", job);
    if (await committer.report() !== "ready") throw new Error("the committer is not ready");
    while (this.#opened < this.openings) await this.#open(committer);
    committer.go();
    const appended = await committer.next();
    const { code, signal, errors } = await committer.ended;
    if (code !== 0) throw new Error(`the committer ended with ${signal ?? code}: ${errors}`);
    await this.#check(Number(appended));
    return Number(appended) + this.#numbers.length;
  }

  /** Starts an opener, and waits for its end. */
  async #open(committer: Child): Promise<void> {
    const { path, shim, readOnly, disturbance } = this.#options;
    const threads = disturbance === "worker threads"
      ? "workers"
      : disturbance === "worker threads that die"
      ? "workers that die"
      : "main";
    const job: OpenerJob = { path, readOnly, openings: this.openings - this.#opened, threads };
    await using opener = new Child("faults/opening/opener", job, {
      wrapper: ["env", `LD_PRELOAD=${shim}`],
    });
    let isOver = false;
    const reading = (async () => {
      for (let report; (report = await opener.next()) !== undefined; this.#opened++) {
        // The opener reports so.
        const { number } = report as Opened;
        if (number !== undefined) this.#numbers.push(number);
      }
      isOver = true;
    })();
    while (!isOver) {
      await sleep(1 + this.#random.below(MAX_STEP_MS));
      if (!isOver) await this.#disturb(opener, committer);
    }
    await reading;
    const { code, signal, errors } = await opener.ended;
    if (signal === "SIGKILL" && disturbance === "the opener is killed") return;
    if (code !== 0) throw new Error(`the opener ended with ${signal ?? code}: ${errors}`);
  }

  async #disturb(opener: Child, committer: Child): Promise<void> {
    switch (this.#options.disturbance) {
      case "the opener is stopped":
        return await this.#stop(opener);
      case "the committer is stopped":
        return await this.#stop(committer);
      case "the opener is killed":
        if (this.#random.below(8) === 0) {
          // One that is killed again and again gets nowhere.
          this.#opened++;
          await opener.kill();
        }
        return;
      case "others die, and leave files":
        return await this.#leaveFiles();
    }
  }

  async #stop(child: Child): Promise<void> {
    child.signal("SIGSTOP");
    await sleep(this.#random.below(MAX_STEP_MS));
    child.signal("SIGCONT");
  }

  /** Leaves marks and lock files of the dead, as of another time, and of a process that lives. */
  async #leaveFiles(): Promise<void> {
    const { path } = this.#options;
    const job: OwnerJob = { path, count: 3, commits: true, opens: true };
    await using owner = new Child("lmdb/children/presence_owner", job);
    const names = await owner.report<string[]>();
    await owner.kill();
    const time = new Date(Date.now() + (this.#random.below(3) - 1) * HOUR_MS);
    for (const name of names) {
      const forged = name.replace(`-${owner.pid}-`, `-${process.ppid}-`);
      for (const directory of [path, join(path, ".opening")]) {
        try {
          await rename(join(directory, name), join(directory, forged));
          if (directory !== path) await utimes(join(directory, forged), time, time);
        } catch {
          // The committer or the opener has removed it already.
        }
      }
    }
  }

  async #check(appended: number): Promise<void> {
    const { path } = this.#options;
    {
      await using provider = await LmdbPersistenceProvider.open({ path });
      const journal = provider.createMessageJournal<unknown>();
      const entries = await journal.readFrom("b", 0);
      if (entries.length !== appended || entries.some(({ message }, index) => message !== index)) {
        throw new Error(`${appended} were acknowledged, ${entries.length} are there`);
      }
      const ofOpeners = await journal.readFrom("a", 0);
      for (const number of this.#numbers) {
        if (ofOpeners[number]?.message === "acknowledged") continue;
        throw new Error(`the opener's message ${number} is not there`);
      }
      if (new Set(this.#numbers).size < this.#numbers.length) {
        throw new Error("a number came twice");
      }
    }
    const left = (await readdir(path)).filter((name) => !name.endsWith(".mdb"));
    if (left.length > 0) throw new Error(`${left.join(" ")} were left`);
  }
}
