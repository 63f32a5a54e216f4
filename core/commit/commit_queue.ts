/**
 * Group commit: everything that waits is committed together as soon as no commit is in flight. While
 * that one is flushed, the next one fills. So a lone writer waits for one flush, a thousand writers
 * share one, and encoding overlaps with the disk.
 *
 * How much may wait is bounded in messages and bytes: see {@linkcode AdmissionControl}.
 *
 * @module
 */

import type { ActorAddress } from "../format/actor_address.ts";
import type { EncodedRun } from "../format/encoded_run.ts";
import type { JournalIdentity } from "../ports/actor_store.ts";
import type { Clock } from "../ports/clock.ts";
import type { JournalState } from "../format/head.ts";
import { notBeingRemoved, type RemovalMode } from "../format/removal_mark.ts";
import { Collector, type CollectorPace } from "../log/collector.ts";
import type { Log } from "../log/log.ts";
import type { AppendOptions } from "../ports/journal_options.ts";
import type { CommitCounts, PendingCounts } from "../ports/provider.ts";
import type { Storage, StorageChange, WriteGroup } from "../ports/storage.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import { isBeingRemoved } from "../read/removal.ts";
import { Deferred } from "../util/promises.ts";
import { NO_TELEMETRY } from "../telemetry/telemetry_hub.ts";
import { systemClock } from "../util/system_clock.ts";
import { storedTime } from "../util/stored_time.ts";
import type {
  ActorQueue,
  AppendOperation,
  AppendOrigin,
  Completer,
  Operation,
  TruncateOperation,
} from "./actor_queue.ts";
import { ActorRemoval } from "./actor_removal.ts";
import { ActorQueues } from "./actor_queues.ts";
import { AdmissionControl, type AdmissionLimits, type Waiter } from "./admission_control.ts";
import { CommitEvents } from "./commit_events.ts";
import { CommitPacer } from "./commit_pacer.ts";
import { CommitTime } from "./commit_time.ts";
import { CommitWatchers } from "./commit_watchers.ts";
import { Committer, type HeldGuard } from "./committer.ts";
import { Completions } from "./completions.ts";
import { ExclusiveTasks } from "./exclusive_tasks.ts";
import { isGuardKept, type JournalGuard } from "./journal_guard.ts";
import type { JournalReset } from "./journal_resets.ts";
import { startJournal } from "./start_journal.ts";

/** The options of appends that the queue heeds. */
export type QueueOptions = Pick<AppendOptions, "expectedSequenceNumber" | "signal"> & {
  /** The journal that it must be: otherwise the actor was deleted or erased meanwhile. */
  readonly expectedJournal?: JournalIdentity | undefined;
};

/** How much may wait, and how much of the log may be hot. */
export interface QueueLimits extends AdmissionLimits {
  /** How many bytes of the log may be hot: an integer of at least 1. */
  readonly maxHotBytes: number;
  /** How the log is collected, if not as usual. Only tests say so. */
  readonly pace?: Partial<CollectorPace>;
}

/** What may come with a truncation. */
export type QueuedTruncation = Partial<Pick<TruncateOperation, "changes" | "incarnation">>;

/** Most appends write nothing beside their messages. */
const NO_CHANGES: readonly StorageChange[] = [];

/** Group commit on one storage. */
export class CommitQueue {
  /** What has happened since the queue was made. */
  readonly counts: CommitCounts = {
    commits: 0,
    failedCommits: 0,
    committedMessages: 0,
    conflicts: 0,
    failedCollections: 0,
    lastCollectionError: undefined,
  };

  /** How long commits take. */
  readonly commitTime: CommitTime = new CommitTime();

  /** The log of the storage. */
  readonly log: Log;

  /** Who wants to know of commits. */
  readonly watchers: CommitWatchers = new CommitWatchers();

  readonly #actors: ActorQueues;
  readonly #pacer = new CommitPacer(this.commitTime);
  readonly #admission: AdmissionControl;
  readonly #clock: Pick<Clock, "now">;
  readonly #completions: Completions;
  readonly #events: CommitEvents;
  readonly #committer: Committer;
  readonly #storage: Storage;
  readonly #tasks: ExclusiveTasks;
  readonly #removal: ActorRemoval;
  #running = false;

  /**
   * @param storage The storage that is written.
   * @param log The log of the storage.
   * @param limits How much may wait, and how much of the log may be hot.
   * @param clock What tells the time that is stored.
   * @param telemetry What it reports events to.
   */
  constructor(
    storage: Storage,
    log: Log,
    limits: QueueLimits,
    clock: Pick<Clock, "now"> = systemClock,
    telemetry: TelemetrySink = NO_TELEMETRY,
  ) {
    this.#clock = clock;
    this.#storage = storage;
    this.log = log;
    this.#actors = new ActorQueues(log);
    this.#admission = new AdmissionControl(limits, (waiter) => this.#joinAfterWaiting(waiter));
    this.#completions = new Completions(this.#admission, this.counts);
    this.#events = new CommitEvents(telemetry, () => this.now());
    this.#committer = new Committer({
      storage,
      log,
      collector: new Collector(storage, log, limits.maxHotBytes, limits.pace),
      actors: this.#actors,
      completions: this.#completions,
      counts: this.counts,
      commitTime: this.commitTime,
      events: this.#events,
      watchers: this.watchers,
      finishRemoval: (actor) => void this.#finishRemoval(actor),
    });
    this.#removal = new ActorRemoval({
      storage,
      log,
      write: (group) => this.write(group),
      reset: (reset) => this.#reset(reset),
    });
    this.#tasks = new ExclusiveTasks({
      admission: this.#admission,
      completions: this.#completions,
      makeDue: (actor) => this.#makeDue(actor),
      join: (waiter) => this.#joinAfterWaiting(waiter),
    });
  }

  /** The time that is stored: an integer of at least 0, in milliseconds since 1970. */
  now(): number {
    return storedTime(this.#clock.now());
  }

  /** How many messages and bytes wait or are being committed, and how many calls wait for room. */
  get pending(): PendingCounts {
    return this.#admission.pending;
  }

  /**
   * The address of an actor that the queue has met lately, which need not be checked and made again.
   *
   * @param kind The kind of the actor, empty if it has none.
   * @param actorId Its id.
   * @returns Its address, or `undefined` if the queue does not know it.
   */
  knownAddress(kind: string, actorId: string): ActorAddress | undefined {
    return this.#actors.find(kind, actorId)?.address;
  }

  /**
   * Appends messages after everything that was called before for this actor. They are copied before
   * the call returns.
   *
   * @param address The actor.
   * @param run At least one encoded message.
   * @param options Expectation and signal, which have been checked.
   * @param origin The journal that the append came through.
   * @param changes What is written with the messages, all or none.
   * @returns The sequence number of the first message, once it is durable.
   * @throws {PersistenceError} `CONFLICT`, `BACKPRESSURE`, and what the storage rejects with. The
   *   signal's reason after an abort.
   */
  append(
    address: ActorAddress,
    run: EncodedRun,
    options: QueueOptions,
    origin: AppendOrigin,
    changes: readonly StorageChange[] = NO_CHANGES,
  ): Promise<number> {
    const deferred = new Deferred<number>();
    this.startAppend(address, run, options, origin, deferred, changes);
    return deferred.promise;
  }

  /**
   * Like {@linkcode CommitQueue.append}, for callers that need no promise, or must learn of a failure
   * before anything else can be appended.
   *
   * @param address The actor.
   * @param run At least one encoded message.
   * @param options Expectation and signal, which have been checked.
   * @param origin The journal that the append came through.
   * @param completer Settles the append.
   * @param changes What is written with the messages, all or none.
   * @returns The time of the messages, in milliseconds since 1970.
   */
  startAppend(
    address: ActorAddress,
    run: EncodedRun,
    options: QueueOptions,
    origin: AppendOrigin,
    completer: Completer,
    changes: readonly StorageChange[] = NO_CHANGES,
  ): number {
    const actor = this.#actors.get(address);
    const timeMs = this.now();
    if (this.#committer.fatal) {
      completer.reject(this.#committer.fatal);
      return timeMs;
    }
    this.#pacer.arrive();
    origin.pending.messages += run.ends?.length ?? 1;
    origin.pending.bytes += run.payloadBytes;
    const isOrdinary = !run.ends && !origin.batchPolicy && !options.signal &&
      options.expectedSequenceNumber === undefined;
    const open = isOrdinary && !actor.hold ? actor.openAppend(origin) : undefined;
    if (open && this.#admission.tryExtend(run.payloadBytes)) {
      actor.extend(open, run, timeMs, completer);
      this.#pacer.join(run.payloadBytes);
      return timeMs;
    }
    const operation: AppendOperation = {
      type: "append",
      count: run.ends?.length ?? 1,
      bytes: run.payloadBytes,
      timeMs,
      expectedSequenceNumber: options.expectedSequenceNumber,
      expectedJournal: options.expectedJournal,
      arrival: ++actor.arrivals,
      origin,
      call: origin.calls.begin(),
      batch: undefined,
      phase: "waiting",
      unwatch: undefined,
      firstSequenceNumber: -1,
      changes,
      isOpen: isOrdinary,
      joined: undefined,
      resolve: completer.resolve,
      reject: completer.reject,
    };
    this.#completions.begin();
    // Before it is admitted: it may be refused then, and nothing must be left to undo.
    if (options.signal) this.#completions.cancelOnAbort(options.signal, actor, operation);
    this.#admit(actor, operation, run);
    return timeMs;
  }

  /**
   * Removes what is below a sequence number, after everything that was called before for this actor.
   *
   * @param address The actor.
   * @param before The lowest sequence number that stays.
   * @param options What is deleted with it, and the incarnation of the only journal that is meant.
   * @returns The state of the journal, once that is durable. The frames below the lowest sequence
   *   number that is retained are still there.
   * @throws {PersistenceError} What the storage rejects with.
   */
  truncate(
    address: ActorAddress,
    before: number,
    { changes = NO_CHANGES, incarnation }: QueuedTruncation = {},
  ): Promise<JournalState> {
    const actor = this.#actors.get(address);
    if (this.#committer.fatal) return Promise.reject(this.#committer.fatal);
    return new Promise((resolve, reject) => {
      const operation: TruncateOperation = {
        type: "truncate",
        before,
        incarnation,
        changes,
        arrival: ++actor.arrivals,
        resolve,
        reject,
      };
      this.#pacer.arrive();
      this.#completions.begin();
      this.#admit(actor, operation, undefined);
    });
  }

  /**
   * Lets an empty journal begin, or go on, at a sequence number, after everything that was called
   * before for this actor.
   *
   * @param address The actor.
   * @param sequenceNumber The sequence number of the next append.
   * @returns When that is durable.
   * @throws {PersistenceError} `CONFLICT` if the journal has entries, or has come further; `CORRUPT`
   *   if a removal that was interrupted cannot be finished; what the storage rejects with.
   */
  startAt(address: ActorAddress, sequenceNumber: number): Promise<void> {
    const services = {
      log: this.log,
      reset: (reset: JournalReset) => this.#reset(reset),
      finishRemoval: (actor: ActorAddress) => this.#removal.finish(actor),
    };
    return this.#tasks.run(this.#actors.get(address), async () => {
      await startJournal(services, address, sequenceNumber);
      this.watchers.notify(address);
    });
  }

  /**
   * Removes everything of an actor, after everything that was called before for it.
   *
   * @param address The actor.
   * @param mode Whether it begins anew afterwards, or its numbering goes on.
   * @returns When nothing is left.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`; what the storage rejects with.
   */
  remove(address: ActorAddress, mode: RemovalMode): Promise<void> {
    return this.#tasks.run(this.#actors.get(address), async () => {
      try {
        await this.#removal.remove(address, mode);
      } finally {
        // Also if only its first step was done.
        this.watchers.notify(address);
      }
    });
  }

  /**
   * Commits a group that belongs to an actor, but not to its journal. If the removal of the actor has
   * begun, it is finished first.
   *
   * @param address The actor.
   * @param group The group.
   * @param guard What must hold of the actor's journal when the group is committed.
   * @returns Whether its conditions held, once it is durable. Without conditions, always true. False
   *   if the guard is not kept.
   * @throws {PersistenceError} `CORRUPT` if the removal cannot be finished; what the storage rejects
   *   with.
   */
  async writeFor(
    address: ActorAddress,
    group: WriteGroup,
    guard?: JournalGuard,
  ): Promise<boolean> {
    const conditions = [...group.conditions, notBeingRemoved(address)];
    const journal = guard && this.log.attach(address);
    try {
      for (;;) {
        if (guard && journal) {
          await this.log.follow();
          if (!isGuardKept(guard, await this.log.load(address, journal))) return false;
        }
        const held = guard && journal && { ...guard, actor: journal };
        if (await this.write({ ...group, conditions }, held)) return true;
        if (await isBeingRemoved(this.#storage, address)) {
          await this.#tasks.run(this.#actors.get(address), () => this.#removal.finish(address));
        } else if (group.conditions.length > 0) return false;
      }
    } finally {
      if (journal) this.log.hot.detach(journal);
    }
  }

  /**
   * Commits a group that belongs to no journal.
   *
   * @param group The group.
   * @param guard What must hold of a journal when it is committed.
   * @returns Whether its conditions held, and the guard was kept, once it is durable.
   * @throws {PersistenceError} What the storage rejects with.
   */
  write(group: WriteGroup, guard?: HeldGuard): Promise<boolean> {
    if (this.#committer.fatal) return Promise.reject(this.#committer.fatal);
    return new Promise((resolve, reject) => {
      this.#pacer.arrive();
      this.#completions.begin();
      this.#committer.addWrite({ group, guard, resolve, reject });
      this.#run();
    });
  }

  /** Resets a journal. Returns whether it was as expected, and the conditions held. */
  #reset(reset: JournalReset): Promise<boolean> {
    if (this.#committer.fatal) return Promise.reject(this.#committer.fatal);
    return new Promise((resolve, reject) => {
      this.#pacer.arrive();
      this.#completions.begin();
      this.#committer.addReset({ ...reset, resolve, reject });
      this.#run();
    });
  }

  /**
   * Makes everything that waits for some actors part of the next commit.
   *
   * @param actors The actors.
   */
  release(actors: Iterable<ActorQueue>): void {
    for (const actor of actors) this.#makeDue(actor);
  }

  /** Commits everything, and resolves when nothing waits any more, whether it failed or not. */
  drain(): Promise<void> {
    const drained = this.#completions.drained();
    this.#makeAllDue();
    return drained;
  }

  /** Commits everything, and collects nothing more. */
  close(): Promise<void> {
    this.#committer.stopCollecting();
    return this.drain();
  }

  #admit(actor: ActorQueue, operation: Operation, run: EncodedRun | undefined): void {
    if (this.#admission.tryAdmit(operation)) return this.#join(actor, operation, run);
    const refusal = this.#admission.enqueue({ actor, operation, run });
    this.#events.heldBack(actor, operation, refusal ? "refused" : "waiting");
    if (refusal) this.#completions.reject(operation, refusal);
    // What waits for more to come must not keep out what waits for room.
    else this.#makeAllDue();
  }

  /** What waits for the actor stays where it is. */
  async #finishRemoval(actor: ActorQueue): Promise<void> {
    actor.isBlocked = true;
    try {
      await this.#removal.finish(actor.address);
      actor.isBlocked = false;
    } catch (error) {
      actor.isBlocked = false;
      this.#committer.fail(actor, error);
    }
    this.#makeDue(actor);
  }

  /** An operation that has waited for room does not also wait for others of its batch. */
  #joinAfterWaiting({ actor, operation, run }: Waiter): void {
    this.#join(actor, operation, run);
    this.#makeDue(actor);
  }

  /** Adds an admitted operation after all others of its actor. */
  #join(actor: ActorQueue, operation: Operation, run: EncodedRun | undefined): void {
    if (actor.hold && this.#tasks.park({ actor, operation, run })) return;
    if (operation.type === "truncate" || !run) {
      if (operation.type === "truncate") actor.addTruncation(operation);
      return this.#makeDue(actor);
    }
    actor.addAppend(operation, run);
    this.#pacer.join(operation.bytes);
    const { batchPolicy } = operation.origin;
    if (batchPolicy) operation.batch = batchPolicy.join(actor, operation.count, operation.bytes);
    if (!batchPolicy || this.#mustHurry) this.#makeDue(actor);
  }

  /** Whether batches must not wait for more: operations wait for room, or a caller for the end. */
  get #mustHurry(): boolean {
    return this.#admission.hasWaiters || this.#completions.isAwaited;
  }

  #makeDue(actor: ActorQueue): void {
    this.#committer.makeDue(actor);
    this.#run();
  }

  #makeAllDue(): void {
    for (const actor of this.#actors.all()) if (actor.hasOperations) this.#makeDue(actor);
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#commitUntilIdle();
  }

  async #commitUntilIdle(): Promise<void> {
    while (this.#committer.hasWork) {
      if (!this.#pacer.mustNotWait) await this.#pacer.waitForQuiet(this.#admission);
      this.#pacer.startCommit();
      await this.#committer.commitOnce();
    }
    this.#running = false;
  }
}
