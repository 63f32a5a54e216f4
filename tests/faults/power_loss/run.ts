import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { LmdbDurability } from "../../../adapters/lmdb/mod.ts";
import { fastDirectory } from "../../temporary_directory.ts";
import { Child } from "../../processes/child.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { compileShim, shimUnavailable } from "../shim.ts";
import type { PowerLossCheckerJob, PowerLossReport } from "./checker.ts";
import { record, type Workload } from "./recordings.ts";

/** A fault that makes images of what power losses leave. */
export interface PowerLoss extends Pick<Fault, "name" | "title" | "expectsFailures"> {
  readonly workloads: readonly Workload[];
  readonly durability?: LmdbDurability;
  /** Whether commits are acknowledged before they are flushed: a mistake that must be noticed. */
  readonly early?: boolean;
  /** The newest acknowledged operations may be missing; all else must hold. */
  readonly mayLose?: boolean;
}

/** Replays a run on the recordings of that run, which were kept in this directory. */
const RECORDINGS = process.env["FAULT_RECORDINGS"];
/** More than a few crashes of a checker tell nothing new. */
const MAX_CRASHES = 20;

/**
 * Makes a fault: writers are recorded, images of what a power loss at a random moment may leave are
 * made of the recordings, and each of them is opened and checked.
 *
 * @param definition What is written, and what is tried.
 * @returns The fault.
 */
export function powerLossFault(definition: PowerLoss): Fault {
  const { name, title, expectsFailures = false } = definition;
  return {
    name,
    title,
    unit: "images",
    expectsFailures,
    unavailable: () => Promise.resolve(shimUnavailable("power_loss")),
    run: (options) => new Run(definition, options).run(),
  };
}

class Run {
  readonly #definition: PowerLoss;
  readonly #options: FaultOptions;
  readonly #failures: string[] = [];
  #tried = 0;
  #checked = 0;
  #pending = 0;
  #crashes = 0;

  constructor(definition: PowerLoss, options: FaultOptions) {
    this.#definition = definition;
    this.#options = options;
  }

  async run(): Promise<FaultResult> {
    const { seed } = this.#options;
    const directory = await mkdtemp(join(fastDirectory(), "cajun-power-loss-"));
    const keep = await mkdtemp(join(tmpdir(), `cajun-${this.#definition.name}-${seed}-`));
    try {
      const recordings = RECORDINGS ?? await this.#record(directory);
      await this.#checkAll(recordings, directory, keep);
      if (this.#failures.length > 0 && !this.#definition.expectsFailures) {
        // A recording is of one run: what was written when cannot be had again from the seed.
        await cp(recordings, keep, { recursive: true });
        this.#failures[0] += ` (replay all with FAULT_RECORDINGS=${keep})`;
      } else {
        await rm(keep, { recursive: true });
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    const figures = {
      "images with writes that were not flushed": this.#pending,
      "acknowledged operations checked": this.#checked,
    };
    return { tried: this.#tried, failures: this.#failures, figures };
  }

  async #record(directory: string): Promise<string> {
    const { workloads, durability = "full", early = false } = this.#definition;
    const recordings = join(directory, "recordings");
    await mkdir(recordings);
    const shim = join(directory, "shim.so");
    compileShim("power_loss", shim);
    const { seed } = this.#options;
    await record(workloads, { seed, directory: recordings, shim, durability, early });
    return recordings;
  }

  async #checkAll(recordings: string, directory: string, keep: string): Promise<void> {
    const { seed, count } = this.#options;
    const { workloads, mayLose = false, expectsFailures = false } = this.#definition;
    const checkers = Math.min(availableParallelism(), 4);
    await Promise.all(Array.from({ length: checkers }, async (_, checker) => {
      let images = Array.from({ length: count }, (_, image) => image)
        .filter((image) => image % checkers === checker);
      while (images.length > 0) {
        images = await this.#check({
          recordings,
          names: workloads.map(({ name }) => name),
          seed,
          images,
          directory,
          keep: expectsFailures ? undefined : keep,
          mayLose,
        });
      }
    }));
  }

  /** Has a process check images, and returns those that it has left when it crashed. */
  async #check(job: PowerLossCheckerJob): Promise<number[]> {
    const left = new Set(job.images);
    let last: PowerLossReport | undefined;
    await using child = new Child("faults/power_loss/checker", job);
    for (let next; (next = await child.next()) !== undefined;) {
      // The checker reports so.
      last = next as PowerLossReport;
      left.delete(last.image);
      if (last.failure !== undefined) this.#failures.push(`${last.what}: ${last.failure}`);
      if (last.failure !== undefined || last.checked !== undefined) this.#tried++;
      else if (last.hasPending) this.#pending++;
      this.#checked += last.checked ?? 0;
      this.#options.progress(this.#tried);
    }
    const { code, signal, errors } = await child.ended;
    if (code === 0 && left.size === 0) return [];
    if (!last || ++this.#crashes > MAX_CRASHES) {
      throw new Error(`the checker ended with ${signal ?? code}: ${errors}`);
    }
    this.#tried++;
    this.#failures.push(`${last.what}: the process ended with ${signal ?? code}: ${errors}`);
    return [...left];
  }
}
