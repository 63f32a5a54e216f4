/**
 * Appends what an actor decides, in runs: while one run is being appended the next is collected, and
 * goes out as one batch, all or none, when the first is durable. So a busy actor shares commits, as
 * bare appends do.
 *
 * One run at a time, because each is decided on the one before. If both were handed to the journal,
 * and another process appended exactly as many entries as the first has, the first would be refused
 * and the second, whose expectation is met by chance, would not.
 *
 * @module
 */

import type { ActorStore, AppendedRuns, PreparedEntries } from "../ports/actor_store.ts";
import type { OpenEffect } from "../ports/outbox_store.ts";
import { Fifo } from "../util/fifo.ts";
import type { InFlightTask } from "./in_flight.ts";
import { OwnJournal } from "./own_journal.ts";

/**
 * A run is appended when nothing has joined it for this many microtasks: callers that were answered
 * by the last one ask again within a few of them. The commit queue of the journal waits likewise.
 */
const QUIET_MICROTASKS = 4;
/** As many entries as a frame of the journal has at most. */
const MAX_ENTRIES = 4_096;
/** More bytes in a run would not share anything, but be refused for their size. */
const MAX_BYTES = 2 ** 20;

/** What becomes of runs. */
export interface RunListener<Message, Reply> {
  /** A run is durable. */
  durable(run: readonly InFlightTask<Message, Reply>[]): void;
  /** A run has failed. What was collected after it will not be appended. */
  failed(run: readonly InFlightTask<Message, Reply>[], error: unknown): void;
}

/** Where runs go. */
export type RunStore = Pick<ActorStore<unknown, unknown>, "append" | "maxRunBytes">;

/** Tasks that are appended together. */
interface Run<Message, Reply> {
  readonly run: readonly InFlightTask<Message, Reply>[];
  /** What they append. */
  readonly entries: readonly PreparedEntries[];
  /** How many entries that are. */
  readonly count: number;
}

/** Appends to the journal of one actor. */
export class JournalWriter<Message, Reply> {
  readonly #actorId: string;
  readonly #store: RunStore;
  readonly #listener: RunListener<Message, Reply>;
  /** The sequence number that the next entry must get. */
  #next = 0;
  #journal = new OwnJournal({ incarnation: 0, origin: 0 });
  #waiting = new Fifo<InFlightTask<Message, Reply>>();
  /** Counts what has joined. */
  #joined = 0;
  #writing: Promise<void> | undefined;
  /** Whether a run has failed: what comes after it was decided on it. */
  #hasFailed = false;
  /** How many tasks a run has at most. */
  #maxTasks = MAX_ENTRIES;
  /** Runs of before a new beginning must not be heard of any more. */
  #beginning = 0;

  /**
   * @param actorId The actor.
   * @param store Where its entries go.
   * @param listener Called with what becomes of runs.
   */
  constructor(
    actorId: string,
    store: RunStore,
    listener: RunListener<Message, Reply>,
  ) {
    this.#actorId = actorId;
    this.#store = store;
    this.#listener = listener;
  }

  /** Resolves when nothing is being appended. */
  get idle(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  /**
   * Begins anew, with nothing collected.
   *
   * @param next The sequence number that the next entry must get.
   * @param journal The journal that it must be: otherwise the actor was deleted or erased meanwhile.
   */
  reset(next: number, journal: OwnJournal): void {
    this.#beginning++;
    this.#hasFailed = false;
    this.#next = next;
    this.#journal = journal;
    this.#waiting = new Fifo();
  }

  /**
   * Appends the entries of a task after all others. After a failure nothing is appended until it begins
   * anew: the actor, which may not have heard of it yet, will begin the task once more.
   *
   * @param task The task, which has entries.
   */
  push(task: InFlightTask<Message, Reply>): void {
    if (this.#hasFailed) return;
    this.#waiting.push(task);
    this.#joined++;
    this.#start();
  }

  /** Appends tasks one by one, until one is durable. */
  appendSingly(): void {
    this.#maxTasks = 1;
  }

  #start(): void {
    if (this.#writing || this.#waiting.length === 0) return;
    this.#writing = this.#writeAll(this.#beginning).finally(() => {
      this.#writing = undefined;
      this.#start();
    });
  }

  async #writeAll(beginning: number): Promise<void> {
    for (;;) {
      await this.#waitForQuiet();
      if (beginning !== this.#beginning) return;
      const { run, entries, count } = this.#take();
      if (run.length === 0) return;
      const journal = this.#journal;
      let appended: AppendedRuns;
      try {
        appended = await this.#store.append(this.#actorId, entries, this.#next, journal);
      } catch (error) {
        if (beginning !== this.#beginning) return;
        this.#hasFailed = true;
        this.#waiting = new Fifo();
        return this.#listener.failed(run, error);
      }
      journal.appendedAt(appended.position);
      if (beginning !== this.#beginning) return;
      this.#next += count;
      this.#maxTasks = MAX_ENTRIES;
      deal(run, appended.effects);
      this.#listener.durable(run);
    }
  }

  async #waitForQuiet(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_MICROTASKS; quiet++) {
      const before = this.#joined;
      await undefined;
      if (this.#waiting.length >= MAX_ENTRIES) return;
      if (this.#joined !== before) quiet = -1;
    }
  }

  /** The tasks of the next run, which get their sequence numbers. */
  #take(): Run<Message, Reply> {
    const run: InFlightTask<Message, Reply>[] = [];
    const entries: PreparedEntries[] = [];
    const maxBytes = Math.min(MAX_BYTES, this.#store.maxRunBytes);
    let count = 0;
    let bytes = 0;
    for (let task = this.#waiting.first; task?.entries; task = this.#waiting.first) {
      const own = task.entries;
      const isFull = run.length >= this.#maxTasks || count + own.count > MAX_ENTRIES ||
        bytes + own.bytes > maxBytes;
      if (isFull && run.length > 0) break;
      this.#waiting.shift();
      run.push(task);
      entries.push(own);
      count += own.count;
      bytes += own.bytes;
      task.last = this.#next + count - 1;
    }
    return { run, entries, count };
  }
}

/** Gives each task its effects. */
function deal<Message, Reply>(
  run: readonly InFlightTask<Message, Reply>[],
  effects: readonly OpenEffect[],
): void {
  if (effects.length === 0) return;
  let dealt = 0;
  for (const task of run) {
    const own = task.entries?.effects.length ?? 0;
    task.effects = effects.slice(dealt, dealt + own);
    dealt += own;
  }
}
