/**
 * Group commit: everything that waits goes out as one commit as soon as none is in flight. While
 * that one is being flushed, the next is being filled. So a lone writer waits for one flush, a
 * thousand writers share one, and encoding overlaps with the disk.
 *
 * What waits is bounded in messages and bytes: see {@linkcode Admission}.
 *
 * @module
 */

import type {
  ActorQueue,
  AppendOperation,
  AppendOrigin,
  CommitPlan,
  Operation,
  Settlement,
  TruncateOperation,
} from "./actor_queue.ts";
import { ActorRegistry } from "./actor_registry.ts";
import { CommitTime } from "./adaptive_batching.ts";
import { Admission, type AdmissionLimits, type Entrant, type PendingCounts } from "./admission.ts";
import { Deferred } from "./deferred.ts";
import { PersistenceError } from "./errors.ts";
import { asPersistenceError } from "./failure.ts";
import { loadHead } from "./head.ts";
import type { AppendOptions } from "./journal.ts";
import { Outcomes } from "./outcomes.ts";
import { SubmissionPoint } from "./submission_point.ts";
import { makesRoom, type Storage, type WriteGroup } from "./storage.ts";
import type { PayloadRun } from "./waiting_frames.ts";

/**
 * The commit begins when no append has joined for this many microtasks: callers that were woken by
 * the last commit append again within a few of them, and so share the next flush.
 */
const QUIET_MICROTASKS = 4;

/** A group that belongs to no journal: a snapshot, a probe, the removal of truncated frames. */
interface PlainWrite {
  readonly group: WriteGroup;
  readonly resolve: (applied: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** What has happened since the queue was made. */
export interface CommitCounts {
  /** Commits that the storage carried out. */
  commits: number;
  /** Commits that failed. */
  failedCommits: number;
  /** Messages that became durable. */
  committedMessages: number;
  /** How often another writer of the same actor was faster and the work was planned anew. */
  conflicts: number;
}

/** Group commit on one storage. */
export class CommitQueue {
  /** What has happened since the queue was made. */
  readonly counts: CommitCounts = {
    commits: 0,
    failedCommits: 0,
    committedMessages: 0,
    conflicts: 0,
  };

  /** How long commits take. */
  readonly commitTime: CommitTime = new CommitTime();

  readonly #storage: Storage;
  readonly #admission: Admission;
  readonly #outcomes: Outcomes;
  readonly #actors = new ActorRegistry();
  readonly #submissionPoint = new SubmissionPoint(this.commitTime);
  #due: ActorQueue[] = [];
  #writes: PlainWrite[] = [];
  /** Counts calls, so that it can be told what came before what. */
  #arrivals = 0;
  #running = false;
  #fatal: PersistenceError | undefined;

  /**
   * @param storage Where commits go.
   * @param limits How much may wait.
   */
  constructor(storage: Storage, limits: AdmissionLimits) {
    this.#storage = storage;
    this.#admission = new Admission(limits, (entrant) => this.#letIn(entrant));
    this.#outcomes = new Outcomes(this.#admission, this.counts);
  }

  /** How many messages and bytes wait or are being committed, and how many wait for room. */
  get pending(): PendingCounts {
    return this.#admission.pending;
  }

  /**
   * Whether the queue has met an actor lately, so that its id is known to be good.
   *
   * @param actorId The actor.
   */
  knows(actorId: string): boolean {
    return this.#actors.has(actorId);
  }

  /**
   * Appends messages behind everything that was called before for this actor. They are copied
   * before the call returns.
   *
   * @param actorId The actor.
   * @param run At least one encoded message.
   * @param options Expectation and signal, which have been checked.
   * @param origin The journal that the append came through.
   * @returns The sequence number of the first message, once it is durable.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` at once, where the actor id
   *   is bad.
   * @throws {PersistenceError} `CONFLICT`, `BACKPRESSURE`, and what the storage rejects with. The
   *   signal's reason after an abort.
   */
  append(
    actorId: string,
    run: PayloadRun,
    options: AppendOptions,
    origin: AppendOrigin,
  ): Promise<number> {
    const deferred = new Deferred<number>();
    this.startAppend(actorId, run, options, origin, deferred);
    return deferred.promise;
  }

  /**
   * As {@linkcode CommitQueue.append}, for who needs no promise, or must know of a failure before
   * anything else can be appended.
   *
   * @param actorId The actor.
   * @param run At least one encoded message.
   * @param options Expectation and signal, which have been checked.
   * @param origin The journal that the append came through.
   * @param settlement Called when the append has come to its end.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where the actor id is bad.
   */
  startAppend(
    actorId: string,
    run: PayloadRun,
    options: AppendOptions,
    origin: AppendOrigin,
    settlement: Settlement,
  ): void {
    const actor = this.#actors.get(actorId);
    if (this.#fatal) return settlement.reject(this.#fatal);
    const timeMs = Math.max(0, Date.now());
    this.#arrivals++;
    origin.pending.messages += run.ends?.length ?? 1;
    origin.pending.bytes += run.payloadBytes;
    const isOrdinary = !run.ends && !origin.batchPolicy && !options.signal &&
      options.expectedSequenceNumber === undefined;
    const open = isOrdinary ? actor.openAppend(origin) : undefined;
    if (open && this.#admission.enterInto(run.payloadBytes)) {
      actor.extend(open, run, timeMs, settlement);
      this.#submissionPoint.join(run.payloadBytes);
      return;
    }
    const operation: AppendOperation = {
      type: "append",
      count: run.ends?.length ?? 1,
      bytes: run.payloadBytes,
      timeMs,
      expectedSequenceNumber: options.expectedSequenceNumber,
      arrival: this.#arrivals,
      origin,
      call: origin.settlements.begin(),
      batch: undefined,
      phase: "waiting",
      unwatch: undefined,
      firstSequenceNumber: -1,
      isOpen: isOrdinary,
      joined: undefined,
      resolve: settlement.resolve,
      reject: settlement.reject,
    };
    this.#outcomes.begin();
    // Before it enters, since it may be refused there, and then nothing must be left to take back.
    if (options.signal) this.#outcomes.cancelOnAbort(options.signal, actor, operation);
    this.#enter(actor, operation, run);
  }

  /**
   * Removes what is below a sequence number, behind everything that was called before for this
   * actor.
   *
   * @param actorId The actor.
   * @param before The lowest sequence number that stays.
   * @returns The lowest sequence number that is retained, once the removal is durable. The frames
   *   below it are still there.
   */
  truncate(actorId: string, before: number): Promise<number> {
    const actor = this.#actors.get(actorId);
    if (this.#fatal) return Promise.reject(this.#fatal);
    return new Promise((resolve, reject) => {
      const operation: TruncateOperation = {
        type: "truncate",
        before,
        arrival: ++this.#arrivals,
        resolve,
        reject,
      };
      this.#outcomes.begin();
      this.#enter(actor, operation, undefined);
    });
  }

  /**
   * Commits a group that belongs to no journal.
   *
   * @param group The group.
   * @returns Whether its conditions held, once it is durable.
   */
  write(group: WriteGroup): Promise<boolean> {
    if (this.#fatal) return Promise.reject(this.#fatal);
    return new Promise((resolve, reject) => {
      this.#outcomes.begin();
      this.#writes.push({ group, resolve, reject });
      this.#arrivals++;
      this.#run();
    });
  }

  /**
   * Lets everything that waits for these actors go out with the next commit.
   *
   * @param actors The actors.
   */
  release(actors: Iterable<ActorQueue>): void {
    for (const actor of actors) this.#makeDue(actor);
  }

  /** Lets everything go out, and resolves when nothing waits any more, whether it failed or not. */
  drain(): Promise<void> {
    const drained = this.#outcomes.drained();
    this.#makeAllDue();
    return drained;
  }

  #enter(actor: ActorQueue, operation: Operation, run: PayloadRun | undefined): void {
    if (this.#admission.enter(operation)) return this.#join({ actor, operation, run });
    const refusal = this.#admission.wait({ actor, operation, run });
    if (refusal) this.#outcomes.reject(operation, refusal);
    // What waits for more to come must not keep out what waits for room.
    else this.#makeAllDue();
  }

  /** What has waited for room does not wait for others of its batch, too. */
  #letIn(entrant: Entrant): void {
    this.#join(entrant);
    this.#makeDue(entrant.actor);
  }

  /** Puts an operation that was let in behind all others of its actor. */
  #join({ actor, operation, run }: Entrant): void {
    if (operation.type === "truncate" || !run) {
      if (operation.type === "truncate") actor.addTruncation(operation);
      return this.#makeDue(actor);
    }
    actor.addAppend(operation, run);
    this.#submissionPoint.join(operation.bytes);
    const { batchPolicy } = operation.origin;
    if (batchPolicy) operation.batch = batchPolicy.join(actor, operation.count, operation.bytes);
    if (!batchPolicy || this.#mustHurry) this.#makeDue(actor);
  }

  /** Whether batches must not wait for more: they keep out what waits for room, or for the end. */
  get #mustHurry(): boolean {
    return this.#admission.crowded || this.#outcomes.isAwaited;
  }

  #makeDue(actor: ActorQueue): void {
    if (!actor.due && actor.hasOperations) {
      actor.due = true;
      this.#due.push(actor);
    }
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
    while (this.#due.length > 0 || this.#writes.length > 0) {
      if (!this.#submissionPoint.isReached) await this.#waitForQuiet();
      this.#submissionPoint.submit();
      await this.#commitOnce();
    }
    this.#running = false;
  }

  async #waitForQuiet(): Promise<void> {
    const point = this.#submissionPoint;
    point.startFilling();
    for (let quiet = 0; quiet < QUIET_MICROTASKS && !this.#admission.crowded; quiet++) {
      const before = this.#arrivals;
      await undefined;
      if (this.#arrivals === before) continue;
      if (point.isOverdue) break;
      quiet = -1;
    }
    point.stopFilling();
  }

  async #commitOnce(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    for (const actor of due) actor.due = false;
    const failed = new Set<ActorQueue>();
    // Anew each time: while heads are read, operations may join that need a fresher one.
    for (let stale = staleOf(due, failed); stale.length > 0; stale = staleOf(due, failed)) {
      await this.#loadHeads(stale, failed);
    }
    // All plans at once, before anything ends and lets in what waits for room: what joins now would
    // be planned with a head that it has not been compared with.
    const planned = due.map((actor) => actor.plan())
      .filter((plan) => plan !== undefined);
    const plans = planned.map((plan) => this.#begin(plan)).filter((plan) => plan !== undefined);
    const writes = this.#writes;
    this.#writes = [];
    if (plans.length + writes.length > 0) await this.#commit(plans, writes);
  }

  async #commit(plans: readonly PlanWithGroup[], writes: readonly PlainWrite[]): Promise<void> {
    const groups = [...plans, ...writes].map(({ group }) => group);
    const startedAtMs = performance.now();
    try {
      const applied = await this.#storage.commit(groups);
      this.commitTime.observe(performance.now() - startedAtMs);
      this.counts.commits++;
      plans.forEach((plan, index) => {
        if (applied[index]) this.#outcomes.complete(plan);
        else this.#planAnew(plan);
      });
      writes.forEach((write, index) => {
        write.resolve(applied[plans.length + index] === true);
        this.#outcomes.settled();
      });
    } catch (error) {
      if (groups.length > 1 && isFull(error)) await this.#commitOneByOne(plans, writes);
      else this.#fail(error, plans, writes);
    }
  }

  /** Only what does not fit shall fail, and what makes room goes first. */
  async #commitOneByOne(
    plans: readonly PlanWithGroup[],
    writes: readonly PlainWrite[],
  ): Promise<void> {
    for (const write of writes) await this.#commitUnlessFatal([], [write]);
    const first = plans.filter(({ group }) => makesRoom(group));
    const others = plans.filter(({ group }) => !makesRoom(group));
    for (const plan of [...first, ...others]) await this.#commitUnlessFatal([plan], []);
  }

  /** One of those before may have been the last that the storage takes. */
  async #commitUnlessFatal(
    plans: readonly PlanWithGroup[],
    writes: readonly PlainWrite[],
  ): Promise<void> {
    if (this.#fatal) this.#failCommit(this.#fatal, plans, writes);
    else await this.#commit(plans, writes);
  }

  async #loadHeads(stale: readonly ActorQueue[], failed: Set<ActorQueue>): Promise<void> {
    await Promise.all(stale.map(async (actor) => {
      if (!(await this.#loadHead(actor))) failed.add(actor);
    }));
  }

  async #loadHead(actor: ActorQueue): Promise<boolean> {
    const arrivals = this.#arrivals;
    try {
      const head = await loadHead(this.#storage, actor.actorId, actor.key);
      actor.learnHead(head, arrivals);
      return true;
    } catch (error) {
      actor.forgetHead();
      this.#failActor(actor, [], asPersistenceError(error));
      return false;
    }
  }

  /** Begins to carry out a plan. Gives `undefined` where nothing needs to be written. */
  #begin(plan: CommitPlan): PlanWithGroup | undefined {
    const { actor, operations, dropped, group } = plan;
    for (const operation of operations) {
      if (operation.type === "append") this.#outcomes.leaveBatch(operation);
    }
    if (group) actor.inFlight = true;
    for (const [operation, error] of dropped) {
      this.#outcomes.leaveBatch(operation);
      this.#admission.leave(operation);
      if (error) this.#outcomes.reject(operation, error);
    }
    if (group) return { ...plan, group };
    this.#outcomes.complete(plan);
    return undefined;
  }

  #planAnew(plan: CommitPlan): void {
    this.counts.conflicts++;
    plan.actor.inFlight = false;
    plan.actor.forgetHead();
    plan.actor.putBack(plan);
    this.#makeDue(plan.actor);
  }

  #fail(error: unknown, plans: readonly CommitPlan[], writes: readonly PlainWrite[]): void {
    this.counts.failedCommits++;
    const failure = asPersistenceError(error);
    this.#failCommit(failure, plans, writes);
    if (failure.code === "REOPEN_REQUIRED" || failure.code === "CLOSED") {
      this.#failEverything(failure);
    }
  }

  #failCommit(
    failure: PersistenceError,
    plans: readonly CommitPlan[],
    writes: readonly PlainWrite[],
  ): void {
    for (const plan of plans) {
      plan.actor.inFlight = false;
      plan.actor.forgetHead();
      this.#failActor(plan.actor, plan.operations, failure);
    }
    this.#failWrites(writes, failure);
  }

  /** Nothing can be committed any more: all that waits is told so, and all that comes. */
  #failEverything(failure: PersistenceError): void {
    this.#fatal = failure;
    for (const actor of this.#actors.all()) this.#failActor(actor, [], failure);
    this.#failWrites(this.#writes.splice(0), failure);
  }

  #failWrites(writes: readonly PlainWrite[], failure: PersistenceError): void {
    for (const write of writes) {
      write.reject(failure);
      this.#outcomes.settled();
    }
  }

  /** What makes room is tried once more, without what there is no room for. */
  #failActor(actor: ActorQueue, inFlight: readonly Operation[], failure: PersistenceError): void {
    if (this.#outcomes.failActor(actor, inFlight, failure)) this.#makeDue(actor);
  }
}

type PlanWithGroup = CommitPlan & { readonly group: WriteGroup };

function isFull(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "STORAGE_FULL";
}

function staleOf(due: readonly ActorQueue[], failed: ReadonlySet<ActorQueue>): ActorQueue[] {
  return due.filter((actor) => actor.hasOperations && actor.needsHead() && !failed.has(actor));
}
