/**
 * Writes at a steady rate until it is told to stop, or killed: appends, batches, reads, recoveries,
 * snapshots, with a retention sweep in the background. Reports once a second how it goes, and what has
 * been acknowledged.
 *
 * @module
 */

import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import { type Random, randomFrom } from "../../conformance/random.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";
import { memoryBytes } from "./memory.ts";

/** What the script takes. */
export interface SoakWriterJob {
  readonly path: string;
  readonly seed: number;
  readonly actorIds: readonly string[];
  /** Operations per second. */
  readonly rate: number;
}

/** How a second went. */
export interface SoakWriterSample {
  readonly messages: number;
  readonly p50: number;
  readonly p99: number;
  readonly memoryBytes: number;
}

/** What the script reports, after it has reported `"ready"`. */
export type SoakWriterReport =
  | { readonly sample: SoakWriterSample }
  /** Up to which sequence numbers actors have been acknowledged. */
  | { readonly acknowledged: Readonly<Record<string, number>> };

/** A message. */
export interface SoakMessage {
  readonly actorId: string;
  readonly text: string;
}

const TICK_MS = 10;
const ACKNOWLEDGEMENTS_MS = 50;
const SAMPLE_MS = 1_000;
/** Where the machine cannot keep up, no more than so many operations are under way. */
const MAX_UNDER_WAY = 2_000;
const BATCH = 10;
const SNAPSHOT_EVERY = 40;
const SWEEP_MS = 1_000;
/** How many messages are kept after a snapshot. */
const KEPT = 10;
const FILLER = "the quick brown fox jumps over the lazy dog. ".repeat(40);

class SoakWriter {
  readonly #provider: LmdbPersistenceProvider;
  readonly #job: SoakWriterJob;
  readonly #random: Random;
  readonly #journal;
  readonly #snapshots;
  readonly #sweep: RetentionSweep;
  readonly #highest = new Map<string, number>();
  readonly #nextSnapshot = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  #acknowledged: Record<string, number> = {};
  #latencies: number[] = [];
  #messages = 0;
  readonly #problems: unknown[] = [];

  constructor(provider: LmdbPersistenceProvider, job: SoakWriterJob) {
    this.#provider = provider;
    this.#job = job;
    this.#random = randomFrom(job.seed);
    this.#journal = this.#provider.createMessageJournal<SoakMessage>();
    this.#snapshots = this.#provider.createSnapshotStore<string>();
    this.#sweep = new RetentionSweep({
      provider,
      intervalMs: SWEEP_MS,
      retainMessagesBeforeSnapshot: KEPT,
      onProblem: ({ error }) => this.#problems.push(error),
    });
  }

  /** Writes until it is told to stop. */
  async run(): Promise<void> {
    this.#sweep.start();
    const startedAt = performance.now();
    let begun = 0;
    const timers = [
      setInterval(() => {
        const due = (performance.now() - startedAt) * this.#job.rate / 1_000;
        while (begun < due) {
          begun++;
          if (this.#underWay.size < MAX_UNDER_WAY) this.#begin();
        }
      }, TICK_MS),
      setInterval(() => this.#tellAcknowledged(), ACKNOWLEDGEMENTS_MS),
      setInterval(() => this.#tellSample(), SAMPLE_MS),
    ];
    await permissionToGo();
    for (const timer of timers) clearInterval(timer);
    await Promise.all(this.#underWay);
    await this.#sweep.close();
    if (this.#problems.length > 0) throw this.#problems[0];
    this.#tellAcknowledged();
  }

  #begin(): void {
    const operation = this.#operate().finally(() => this.#underWay.delete(operation));
    this.#underWay.add(operation);
  }

  async #operate(): Promise<void> {
    const { actorIds } = this.#job;
    const actorId = actorIds[this.#random.below(actorIds.length)] ?? "";
    const choice = this.#random.below(100);
    if (choice < 75) await this.#append(actorId, 1);
    else if (choice < 80) await this.#append(actorId, BATCH);
    else if (choice < 90) await this.#readLast(actorId);
    else await this.#recover(actorId);
  }

  async #append(actorId: string, count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => ({
      actorId,
      text: FILLER.slice(0, 20 + this.#random.below(400)),
    }));
    const startedAt = performance.now();
    const [first = -1] = await this.#journal.appendBatch(actorId, messages);
    this.#latencies.push(performance.now() - startedAt);
    this.#messages += count;
    const last = first + count - 1;
    this.#acknowledged[actorId] = Math.max(this.#acknowledged[actorId] ?? -1, last);
    this.#highest.set(actorId, Math.max(this.#highest.get(actorId) ?? -1, last));
    await this.#saveNowAndThen(actorId, last);
  }

  /** What it makes superfluous goes with the next sweep. */
  async #saveNowAndThen(actorId: string, last: number): Promise<void> {
    const next = this.#nextSnapshot.get(actorId) ?? last + SNAPSHOT_EVERY;
    if (last < next) {
      this.#nextSnapshot.set(actorId, next);
      return;
    }
    this.#nextSnapshot.set(actorId, last + SNAPSHOT_EVERY);
    const state = `${actorId} ${FILLER.slice(0, this.#random.below(FILLER.length))}`;
    await this.#snapshots.saveSnapshot(actorId, state, last);
  }

  async #readLast(actorId: string): Promise<void> {
    const highest = this.#highest.get(actorId) ?? -1;
    const entries = await this.#journal.readFrom(actorId, Math.max(0, highest - KEPT / 2));
    // Where another process writes to the same actor, it may have truncated it further.
    const isTruncated = (entries[0]?.sequenceNumber ?? Infinity) > highest;
    if (!isTruncated && !entries.some(({ sequenceNumber }) => sequenceNumber === highest)) {
      throw new Error(`${actorId}: ${highest} was acknowledged, but is not read`);
    }
  }

  async #recover(actorId: string): Promise<void> {
    const latest = await this.#snapshots.getLatestSnapshot(actorId);
    if (latest && !latest.state.startsWith(`${actorId} `)) {
      throw new Error(`${actorId}: wrong state`);
    }
    for (
      const { message } of await this.#journal.readFrom(actorId, 1 + (latest?.sequenceNumber ?? -1))
    ) {
      if (message.actorId !== actorId) {
        throw new Error(`${actorId}: has a message of another actor`);
      }
    }
  }

  #tellAcknowledged(): void {
    report({ acknowledged: this.#acknowledged } satisfies SoakWriterReport);
    this.#acknowledged = {};
  }

  #tellSample(): void {
    const sorted = this.#latencies.sort((a, b) => a - b);
    const sample: SoakWriterSample = {
      messages: this.#messages,
      p50: sorted[Math.floor(sorted.length / 2)] ?? 0,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      memoryBytes: memoryBytes(),
    };
    report({ sample } satisfies SoakWriterReport);
    this.#latencies = [];
    this.#messages = 0;
  }
}

const job = readJob<SoakWriterJob>();
await using provider = await LmdbPersistenceProvider.open({ path: job.path });
report("ready");
await new SoakWriter(provider, job).run();
