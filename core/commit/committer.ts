/**
 * One commit after the other: makes sure that the journals are known, plans what each actor writes,
 * commits all plans together as one record of the log, and settles their operations.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import { asPersistenceError } from "../errors/storage_failure.ts";
import { LOG_VERSION } from "../format/log_keys.ts";
import { encodeLogRecord, type NewLogItem } from "../format/log_record.ts";
import type { CollectedPiece, Collector } from "../log/collector.ts";
import type { Log } from "../log/log.ts";
import type { LogActor } from "../log/log_actor.ts";
import type { CommitCounts } from "../ports/provider.ts";
import type { Storage, StorageChange, WriteGroup } from "../ports/storage.ts";
import { isBeingRemoved } from "../read/removal.ts";
import { ByteArena } from "../util/byte_arena.ts";
import type { ActorQueue, CommitPlan, Operation } from "./actor_queue.ts";
import type { ActorQueues } from "./actor_queues.ts";
import type { CommitEvents } from "./commit_events.ts";
import type { CommitTime } from "./commit_time.ts";
import type { CommitWatchers } from "./commit_watchers.ts";
import type { Completions } from "./completions.ts";
import { isGuardKept, type JournalGuard } from "./journal_guard.ts";
import { JournalResets, type QueuedReset } from "./journal_resets.ts";
import { PieceSupply } from "./piece_supply.ts";
import { Stripes } from "./stripes.ts";

/** What must hold of a journal that the log holds on to. */
export interface HeldGuard extends JournalGuard {
  /** The actor of the journal. */
  readonly actor: LogActor;
}

/** A group that belongs to no journal: a snapshot, a probe, the removal of truncated frames. */
export interface PlainWrite {
  /** The group. */
  readonly group: WriteGroup;
  /** What must hold of a journal when it is committed. */
  readonly guard: HeldGuard | undefined;
  /** Called with whether its conditions held, once it is durable. */
  readonly resolve: (applied: boolean) => void;
  /** Called with the error. */
  readonly reject: (error: unknown) => void;
}

/** What a committer works on. */
export interface CommitterServices {
  /** The storage that is written. */
  readonly storage: Storage;
  /** The log of the storage. */
  readonly log: Log;
  /** Collects the log. */
  readonly collector: Collector;
  /** All actors whose operations may wait. */
  readonly actors: ActorQueues;
  /** Settles operations. */
  readonly completions: Completions;
  /** Counts commits, failures and conflicts. */
  readonly counts: CommitCounts;
  /** Observes how long commits take. */
  readonly commitTime: CommitTime;
  /** Tells of commits. */
  readonly events: CommitEvents;
  /** Learns whose journals have changed. */
  readonly watchers: CommitWatchers;
  /**
   * Finishes the removal of an actor. Until then the actor is blocked; then what waits for it is due
   * again, or has failed.
   */
  readonly finishRemoval: (actor: ActorQueue) => void;
}

/** What one commit carries beside plain writes. */
interface LogCommit {
  readonly plans: readonly CommitPlan[];
  readonly piece: CollectedPiece | undefined;
}

const NO_WRITES: readonly PlainWrite[] = [];

/** Carries out the commits of a queue. */
export class Committer {
  readonly #services: CommitterServices;
  readonly #arena = new ByteArena();
  readonly #resets: JournalResets;
  readonly #stripes: Stripes;
  readonly #pieces: PieceSupply;
  #due: ActorQueue[] = [];
  #writes: PlainWrite[] = [];
  /** Another process was faster: the log must be followed before anything is planned. */
  #wasOvertaken = false;
  #fatal: PersistenceError | undefined;

  /**
   * @param services What it works on.
   */
  constructor(services: CommitterServices) {
    this.#services = services;
    this.#resets = new JournalResets(services);
    this.#stripes = new Stripes(services.storage, services.log);
    this.#pieces = new PieceSupply(services);
  }

  /** Whether the next commit has anything to do. */
  get hasWork(): boolean {
    return this.#due.length > 0 || this.#writes.length > 0 || this.#resets.hasWork ||
      (!this.#fatal && this.#pieces.hasWork);
  }

  /** The failure after which nothing can be committed any more. */
  get fatal(): PersistenceError | undefined {
    return this.#fatal;
  }

  /**
   * Makes everything that waits for an actor part of the next commit.
   *
   * @param actor The actor.
   */
  makeDue(actor: ActorQueue): void {
    if (actor.due || !actor.hasOperations) return;
    actor.due = true;
    this.#due.push(actor);
  }

  /**
   * Makes a group part of the next commit.
   *
   * @param write The group.
   */
  addWrite(write: PlainWrite): void {
    this.#writes.push(write);
  }

  /**
   * Makes a reset the next commit.
   *
   * @param reset The reset.
   */
  addReset(reset: QueuedReset): void {
    this.#resets.add(reset);
  }

  /** Leaves what is hot as it is: it will be collected another time. */
  stopCollecting(): void {
    this.#pieces.stop();
  }

  /** Commits everything that is due. Must not be called while a commit is in flight. */
  async commitOnce(): Promise<void> {
    if (this.#resets.hasWork) {
      return await this.#resets.commit((error) => this.#endIfFatal(asPersistenceError(error)));
    }
    const due = this.#due;
    this.#due = [];
    for (const actor of due) actor.due = false;
    await this.#commitActors(due, "all");
  }

  /** With the scope "actors" nothing else is committed, and no room is made. */
  async #commitActors(due: readonly ActorQueue[], scope: "all" | "actors"): Promise<void> {
    const { log } = this.#services;
    const failed = new Set<ActorQueue>();
    if (await this.#mustFollow(due)) await this.#follow(due, failed);
    const takesPiece = scope === "all" && !this.#wasOvertaken && !this.#fatal;
    const piece = takesPiece ? await this.#pieces.next(due.length === 0) : undefined;
    // Again each time: while the log is followed, operations may join that need a fresher state.
    for (let stale = staleOf(due, failed); stale.length > 0; stale = staleOf(due, failed)) {
      await this.#follow(stale, failed);
    }
    // All plans at once, before any operation ends and admits what waits for room: what joins now
    // would be planned with a state that it has not been compared with.
    const position = log.nextPosition;
    const planned = due.filter((actor) => !failed.has(actor) && !actor.isBlocked)
      .map((actor) => actor.plan(position))
      .filter((plan) => plan !== undefined);
    const plans = planned.filter((plan) => this.#begin(plan));
    const writes = scope === "all" ? this.#writes.splice(0) : NO_WRITES;
    await this.#commit({ plans, piece }, writes, scope === "all");
  }

  /** Stripes are read before the log is followed, so what is known of it is at least as new. */
  async #mustFollow(due: readonly ActorQueue[]): Promise<boolean> {
    try {
      return await this.#stripes.look(due) || this.#wasOvertaken;
    } catch {
      // To follow the log will fail as well, and tell the callers.
      return true;
    }
  }

  /** Learns what other processes have committed, and makes the journals of actors known. */
  async #follow(actors: readonly ActorQueue[], failed: Set<ActorQueue>): Promise<void> {
    const arrivals = actors.map((actor) => actor.arrivals);
    try {
      await this.#services.log.follow();
      this.#wasOvertaken = false;
    } catch (error) {
      this.#pieces.rest();
      this.#stripes.forget();
      for (const actor of actors) {
        failed.add(actor);
        this.#failActor(actor, [], asPersistenceError(error));
      }
      return;
    }
    await Promise.all(actors.map(async (actor, index) => {
      if (!(await this.#load(actor))) failed.add(actor);
      else actor.followedAfter = arrivals[index] ?? 0;
    }));
  }

  async #load(actor: ActorQueue): Promise<boolean> {
    const { log, finishRemoval } = this.#services;
    const { address, journal } = actor;
    try {
      const state = journal.state ?? await log.load(address, journal);
      const isEmpty = state.firstSequenceNumber === state.nextSequenceNumber;
      if (!isEmpty || !await this.#isRemoved(actor)) return true;
      finishRemoval(actor);
      return false;
    } catch (error) {
      this.#failActor(actor, [], asPersistenceError(error));
      return false;
    }
  }

  /** Whether an actor with an empty journal is being removed. */
  async #isRemoved({ address, journal }: ActorQueue): Promise<boolean> {
    if (!journal.mayBeRemoved) return false;
    // Before it is looked for: a removal that begins meanwhile will be seen in the log.
    journal.mayBeRemoved = false;
    let isRemoved = true;
    try {
      isRemoved = await isBeingRemoved(this.#services.storage, address);
    } finally {
      if (isRemoved) journal.mayBeRemoved = true;
    }
    return isRemoved;
  }

  /** Begins to carry out a plan. Returns whether something has to be written. */
  #begin(plan: CommitPlan): boolean {
    const { completions } = this.#services;
    const { actor, operations, dropped, items, changes } = plan;
    for (const operation of operations) {
      if (operation.type === "append") completions.leaveBatch(operation);
    }
    const writes = items.length > 0 || changes.length > 0;
    if (writes) actor.inFlight = true;
    for (const [operation, error] of dropped) completions.drop(operation, error);
    if (!writes) completions.complete(plan, plan.position);
    return writes;
  }

  /**
   * @param planned What is committed to the log.
   * @param writes What else is committed.
   * @param mayMakeRoom Whether it is tried again if the storage is full.
   */
  async #commit(
    planned: LogCommit,
    writes: readonly PlainWrite[],
    mayMakeRoom: boolean,
  ): Promise<void> {
    const { storage, log, counts, commitTime, events } = this.#services;
    const { plans } = planned;
    // The log may have gone on since the piece was made.
    const piece = planned.piece && log.allowsPiece(planned.piece.asOf) ? planned.piece : undefined;
    const commit = { plans, piece };
    const position = log.nextPosition;
    const items = plans.flatMap((plan) => plan.items);
    const striped = piece ? undefined : this.#stripes.commitOf(plans, items, this.#arena);
    const record = striped?.record ?? (items.length > 0 ? this.#encode(items) : undefined);
    const isLogged = plans.length > 0 || piece !== undefined;
    const kept = writes.filter((write) => this.#isKept(write));
    // Before the record of the log, which would break their guards.
    const groups = kept.map((write) => this.#guarded(write));
    if (striped) groups.push(...striped.groups);
    else if (isLogged) groups.push(this.#groupOf(commit, record));
    if (groups.length === 0) return;
    const load = events.loadOf(plans, kept.length);
    const startedAtMs = performance.now();
    try {
      const committing = storage.commit(groups);
      if (piece) this.#pieces.makeAhead(piece);
      const applied = await committing;
      const durationMs = performance.now() - startedAtMs;
      commitTime.observe(durationMs);
      counts.commits++;
      const place = applied.indexOf(true, kept.length) - kept.length;
      if (isLogged) {
        if (place >= 0) {
          this.#stripes.applied(items, position + place, striped && place);
          this.#complete(commit, position, place, record);
        } else {
          this.#pieces.discardAhead();
          this.#planAnew(plans);
        }
      }
      kept.forEach((write, index) => this.#resolveWrite(write, applied[index] === true));
      events.ended(load, durationMs, isLogged && place < 0 ? "conflict" : "committed");
    } catch (error) {
      events.failed(load, performance.now() - startedAtMs, error);
      this.#pieces.discardAhead();
      if (mayMakeRoom && isFull(error)) await this.#commitOneByOne(plans, kept);
      else this.#fail(error, plans, kept);
    }
  }

  /** Whether the guard of a write is kept, as far as the log is known. If not, its call has ended. */
  #isKept(write: PlainWrite): boolean {
    const { guard } = write;
    if (!guard || (guard.actor.state && isGuardKept(guard, guard.actor.state))) return true;
    this.#resolveWrite(write, false);
    return false;
  }

  /** That the guard is kept must be known from all of the log. */
  #guarded({ group, guard }: PlainWrite): WriteGroup {
    if (!guard) return group;
    return { ...group, conditions: [...group.conditions, ...this.#services.log.conditions] };
  }

  #resolveWrite(write: PlainWrite, isApplied: boolean): void {
    write.resolve(isApplied);
    this.#services.completions.settled();
  }

  #encode(items: readonly NewLogItem[]): Uint8Array {
    const { nextKey, epoch } = this.#services.log;
    const record = encodeLogRecord(nextKey, epoch, items, this.#arena);
    this.#pieces.recordBytes = record.length;
    return record;
  }

  #groupOf(
    { plans, piece }: LogCommit,
    record: Uint8Array | undefined,
  ): WriteGroup {
    const { log } = this.#services;
    const changes: StorageChange[] = [];
    if (record) changes.push(putRecord(log, record));
    for (const plan of plans) for (const change of plan.changes) changes.push(change);
    if (piece) { for (const change of piece.changes) changes.push(change); }
    return {
      conditions: [...log.conditions, ...(piece?.conditions ?? [])],
      changes,
      makesRoom: plans.every(({ makesRoom }) => makesRoom),
    };
  }

  #complete(
    { plans, piece }: LogCommit,
    position: number,
    place: number,
    record: Uint8Array | undefined,
  ): void {
    const { log, completions, watchers, events } = this.#services;
    if (record && place === 0) log.append(position, record, plans);
    // If records of others are before it, they must be read, and then it is read as well.
    const isKnown = !record || (log.nextPosition > position + place && !log.isRebuilding);
    if (!isKnown) this.#wasOvertaken = true;
    piece?.onCommitted();
    if (piece) events.collected(piece.changes);
    for (const plan of plans) {
      completions.complete(plan, position + place);
      watchers.notify(plan.actor.address);
    }
  }

  /** Only what there is no room for may fail, and what makes room goes first. */
  async #commitOneByOne(
    plans: readonly CommitPlan[],
    writes: readonly PlainWrite[],
  ): Promise<void> {
    for (const plan of plans) this.#putBack(plan);
    const first = plans.filter(({ makesRoom }) => makesRoom);
    const others = plans.filter(({ makesRoom }) => !makesRoom);
    for (const { actor } of first) await this.#commitAlone(actor);
    // What has been truncated of the hot part stands there until it is collected.
    await this.#collectAll();
    for (const write of writes) {
      if (this.#fatal) this.#failWrites([write], this.#fatal);
      else await this.#commit({ plans: [], piece: undefined }, [write], false);
    }
    for (const { actor } of others) await this.#commitAlone(actor);
  }

  /** If nothing can be committed any more, its operations have been rejected. */
  async #commitAlone(actor: ActorQueue): Promise<void> {
    if (!this.#fatal) await this.#commitActors([actor], "actors");
  }

  async #collectAll(): Promise<void> {
    for (let went = true; went && !this.#fatal && this.#pieces.hasAny;) {
      const { failedCommits } = this.#services.counts;
      const piece = await this.#pieces.next(true, true);
      if (piece) await this.#commit({ plans: [], piece }, NO_WRITES, false);
      if (this.#wasOvertaken) await this.#follow([], new Set());
      went = piece !== undefined && this.#services.counts.failedCommits === failedCommits &&
        !this.#wasOvertaken;
    }
  }

  /** Another process was faster. */
  #planAnew(plans: readonly CommitPlan[]): void {
    this.#services.counts.conflicts += plans.length;
    this.#wasOvertaken = true;
    this.#stripes.overtaken();
    for (const plan of plans) {
      this.#putBack(plan);
      this.makeDue(plan.actor);
    }
  }

  #putBack(plan: CommitPlan): void {
    plan.actor.inFlight = false;
    plan.actor.putBack(plan);
  }

  #fail(error: unknown, plans: readonly CommitPlan[], writes: readonly PlainWrite[]): void {
    this.#services.counts.failedCommits++;
    this.#pieces.rest();
    const failure = asPersistenceError(error);
    for (const plan of plans) {
      plan.actor.inFlight = false;
      this.#failActor(plan.actor, plan.operations, failure);
    }
    this.#failWrites(writes, failure);
    this.#endIfFatal(failure);
  }

  /** If nothing can be committed any more: rejects everything that waits, and everything to come. */
  #endIfFatal(failure: PersistenceError): void {
    if (failure.code !== "REOPEN_REQUIRED" && failure.code !== "CLOSED") return;
    this.#fatal = failure;
    for (const actor of this.#services.actors.all()) this.#failActor(actor, [], failure);
    this.#failWrites(this.#writes.splice(0), failure);
    this.#resets.fail(failure);
  }

  #failWrites(writes: readonly PlainWrite[], failure: PersistenceError): void {
    for (const write of writes) {
      write.reject(failure);
      this.#services.completions.settled();
    }
  }

  /**
   * Rejects everything that waits for an actor.
   *
   * @param actor The actor.
   * @param error Why.
   */
  fail(actor: ActorQueue, error: unknown): void {
    this.#failActor(actor, [], asPersistenceError(error));
  }

  /** Truncations that remain make room, so they are tried again without the appends. */
  #failActor(actor: ActorQueue, inFlight: readonly Operation[], failure: PersistenceError): void {
    if (this.#services.completions.failActor(actor, inFlight, failure)) this.makeDue(actor);
  }
}

function putRecord(log: Log, value: Uint8Array): StorageChange {
  return { type: "put", keyspace: "log", key: log.nextKey, value, version: LOG_VERSION.record };
}

function isFull(error: unknown): boolean {
  return error instanceof PersistenceError && error.code === "STORAGE_FULL";
}

function staleOf(due: readonly ActorQueue[], failed: ReadonlySet<ActorQueue>): ActorQueue[] {
  return due.filter((actor) =>
    actor.hasOperations && !actor.isBlocked && actor.mustFollow() && !failed.has(actor)
  );
}
