/**
 * What processes have begun and what was acknowledged to them, and the check of a database against
 * it: after a crash everything acknowledged must be there, and nothing that was never begun.
 *
 * @module
 */

import type { PersistenceProvider } from "../../core/provider.ts";
import { isMessage, isState, originOf } from "./ledger_content.ts";

/** What a process tells before it calls something, and when that has been acknowledged. */
export type LedgerRecord =
  | {
    /** Counts up within the process. */
    readonly begins: number;
    readonly actorId: string;
    /** How many messages are appended. */
    readonly appends?: number;
    /** The lowest sequence number that is kept. */
    readonly truncates?: number;
    /** The sequence number of a snapshot. */
    readonly saves?: number;
  }
  | {
    /** What was begun. */
    readonly acknowledges: number;
    /** The sequence number of the first message that it appended. */
    readonly first?: number;
  };

/** How a database is checked. */
export interface LedgerCheck {
  /** The newest acknowledged operations may be missing, as if they had not been called. */
  readonly mayLose?: boolean;
}

/** How many snapshots of an actor are kept. */
const KEPT_SNAPSHOTS = 3;

interface Operation {
  readonly actorId: string;
  readonly appends: number;
  readonly truncates: number | undefined;
  readonly saves: number | undefined;
  /** The sequence number of its first message, once that is known. */
  first?: number;
}

interface ActorLedger {
  /** The operations whose messages must be there, unless a truncation has removed them. */
  readonly appended: Map<string, Operation>;
  /** To which numbers it may have been truncated. */
  readonly truncations: Set<number>;
  highest: number;
  truncated: number;
  /** The newest snapshots, newest first. */
  saved: readonly number[];
}

/** What is there of an actor. */
interface Found {
  readonly first: number;
  readonly next: number;
  /** The messages of each operation, and where they begin. */
  readonly runs: readonly Run[];
}

interface Run {
  readonly origin: string;
  readonly writer: string;
  readonly operation: number;
  readonly first: number;
  readonly count: number;
  readonly begins: number;
  readonly of: number;
}

/** Something is not as the ledger says. */
export class LedgerError extends Error {
  override readonly name = "LedgerError";
}

/** What has been begun and acknowledged. */
export class Ledger {
  /** How many operations have been acknowledged. */
  acknowledgements = 0;

  readonly #operations = new Map<string, Operation>();
  readonly #actors = new Map<string, ActorLedger>();

  /**
   * Notes what a process has told.
   *
   * @param writer The process: a name that no other one has.
   * @param record What it has told.
   */
  note(writer: string, record: LedgerRecord): void {
    if ("begins" in record) {
      const { begins, actorId, appends = 0, truncates, saves } = record;
      this.#operations.set(`${writer} ${begins}`, { actorId, appends, truncates, saves });
      const actor = this.#actor(actorId);
      if (truncates !== undefined) actor.truncations.add(truncates);
      return;
    }
    const origin = `${writer} ${record.acknowledges}`;
    const operation = this.#operations.get(origin);
    if (!operation) throw new Error(`${origin} was acknowledged, but never begun`);
    this.acknowledgements++;
    const actor = this.#actor(operation.actorId);
    if (record.first !== undefined) this.#append(origin, operation, record.first);
    actor.truncated = Math.max(actor.truncated, operation.truncates ?? 0);
    if (operation.saves !== undefined) actor.saved = newestOf([...actor.saved, operation.saves]);
  }

  /**
   * Checks a database.
   *
   * @param provider The database.
   * @param check How it is checked.
   * @throws {LedgerError} Where something is not as it must be.
   */
  async check(provider: PersistenceProvider, { mayLose = false }: LedgerCheck = {}): Promise<void> {
    for (const [actorId, actor] of this.#actors) {
      const found = await this.#readJournal(provider, actorId);
      for (const run of found.runs) this.#checkRun(actorId, run);
      this.#checkOrder(actorId, found);
      this.#checkTruncation(actorId, actor, found, mayLose);
      if (!mayLose) checkAppended(actorId, actor, found);
      await this.#checkSnapshots(provider, actorId, actor, mayLose);
    }
  }

  /**
   * Takes what {@linkcode Ledger.check} has found as what must be there from now on.
   *
   * @param provider The database.
   */
  async adopt(provider: PersistenceProvider): Promise<void> {
    for (const [actorId, actor] of this.#actors) {
      const { first, next, runs } = await this.#readJournal(provider, actorId);
      for (const { origin, first, begins } of runs) {
        const operation = this.#operations.get(origin);
        if (operation) this.#append(origin, operation, first - begins);
      }
      for (const [origin, { first: start = 0, appends }] of actor.appended) {
        if (start + appends > first) continue;
        actor.appended.delete(origin);
        this.#operations.delete(origin);
      }
      actor.highest = Math.max(actor.highest, next - 1);
      actor.truncated = Math.max(actor.truncated, first);
      actor.saved = await this.#readSnapshots(provider, actorId);
    }
  }

  async #readJournal(provider: PersistenceProvider, actorId: string): Promise<Found> {
    const journal = provider.createMessageJournal<string>();
    const next = (await journal.getHighestSequenceNumber(actorId)) + 1;
    const entries = await journal.readFrom(actorId, 0);
    const first = entries[0]?.sequenceNumber ?? next;
    const runs: Run[] = [];
    let run: Run | undefined;
    for (const [index, { sequenceNumber, message }] of entries.entries()) {
      if (sequenceNumber !== first + index) fail(actorId, `a hole before ${sequenceNumber}`);
      if (!isMessage(actorId, message)) fail(actorId, `${sequenceNumber} is not what was appended`);
      const { writer, operation, at, of } = originOf(message);
      const origin = `${writer} ${operation}`;
      if (run && run.origin === origin && at === run.begins + run.count) {
        run = { ...run, count: run.count + 1 };
        runs[runs.length - 1] = run;
      } else {
        run = { origin, writer, operation, first: sequenceNumber, count: 1, begins: at, of };
        runs.push(run);
      }
    }
    if (first + entries.length !== next) {
      fail(actorId, `${entries.length} entries from ${first} on, but the next would be ${next}`);
    }
    return { first, next, runs };
  }

  /** What was appended together is there wholly, once, and where it was acknowledged. */
  #checkRun(actorId: string, { origin, first, count, begins, of }: Run): void {
    const operation = this.#operations.get(origin);
    if (!operation) return fail(actorId, `${first} (${origin}) was never appended`);
    if (operation.appends !== of) fail(actorId, `${first} (${origin}) is of ${of} messages`);
    if (operation.first !== undefined && operation.first !== first - begins) {
      fail(actorId, `${first} (${origin}) was acknowledged at ${operation.first + begins}`);
    }
    if (begins + count !== of) {
      fail(actorId, `of ${origin} only ${count} messages of ${of} are there, at ${first}`);
    }
  }

  /** A batch may begin in its middle only where the journal begins; calls keep their order. */
  #checkOrder(actorId: string, { first, runs }: Found): void {
    const last = new Map<string, number>();
    for (const run of runs) {
      if (run.begins > 0 && run.first !== first) {
        fail(actorId, `${run.origin} begins with its message ${run.begins}, at ${run.first}`);
      }
      const before = last.get(run.writer) ?? -1;
      if (run.operation <= before) {
        fail(actorId, `${run.origin} at ${run.first} comes after ${run.writer} ${before}`);
      }
      last.set(run.writer, run.operation);
    }
  }

  #checkTruncation(actorId: string, actor: ActorLedger, { first }: Found, mayLose: boolean): void {
    if (first < actor.truncated && !mayLose) {
      fail(actorId, `begins at ${first}, but was truncated before ${actor.truncated}`);
    }
    if (first !== 0 && !actor.truncations.has(first)) {
      fail(actorId, `begins at ${first}, to which nothing has truncated it`);
    }
  }

  async #checkSnapshots(
    provider: PersistenceProvider,
    actorId: string,
    { saved }: ActorLedger,
    mayLose: boolean,
  ): Promise<void> {
    const found = await this.#readSnapshots(provider, actorId);
    if (mayLose) return;
    // What was not acknowledged may stand there too, and have pushed out the oldest.
    for (const [index, number] of saved.entries()) {
      if ((found[index] ?? -1) >= number) continue;
      fail(actorId, `has the snapshots ${found.join()}, but ${saved.join()} were saved`);
    }
  }

  /** The numbers of the newest snapshots, newest first, each as it was saved. */
  async #readSnapshots(provider: PersistenceProvider, actorId: string): Promise<number[]> {
    const store = provider.createSnapshotStore<string>();
    const found: number[] = [];
    let maxSequenceNumber = Number.MAX_SAFE_INTEGER;
    while (found.length < KEPT_SNAPSHOTS && maxSequenceNumber >= 0) {
      const snapshot = await store.getLatestSnapshot(actorId, { maxSequenceNumber });
      if (!snapshot) break;
      const { sequenceNumber, state } = snapshot;
      if (!isState(actorId, sequenceNumber, state)) {
        fail(actorId, `the snapshot at ${sequenceNumber} is not what was saved`);
      }
      const { writer, operation } = originOf(state);
      if (this.#operations.get(`${writer} ${operation}`)?.saves !== sequenceNumber) {
        fail(actorId, `the snapshot at ${sequenceNumber} was never saved`);
      }
      found.push(sequenceNumber);
      maxSequenceNumber = sequenceNumber - 1;
    }
    return found;
  }

  #append(origin: string, operation: Operation, first: number): void {
    const actor = this.#actor(operation.actorId);
    operation.first = first;
    actor.appended.set(origin, operation);
    actor.highest = Math.max(actor.highest, first + operation.appends - 1);
  }

  #actor(actorId: string): ActorLedger {
    let actor = this.#actors.get(actorId);
    if (!actor) {
      actor = {
        appended: new Map(),
        truncations: new Set(),
        highest: -1,
        truncated: 0,
        saved: [],
      };
      this.#actors.set(actorId, actor);
    }
    return actor;
  }
}

function newestOf(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => b - a).slice(0, KEPT_SNAPSHOTS);
}

function checkAppended(actorId: string, actor: ActorLedger, { first, next, runs }: Found): void {
  if (next <= actor.highest) {
    fail(actorId, `ends before ${next}, but ${actor.highest} was acknowledged`);
  }
  const present = new Set(runs.map(({ origin }) => origin));
  for (const [origin, { first: start = 0, appends }] of actor.appended) {
    if (start + appends > first && !present.has(origin)) {
      fail(actorId, `${origin} was acknowledged at ${start}, but is not there`);
    }
  }
}

function fail(actorId: string, what: string): never {
  throw new LedgerError(`actor ${actorId}: ${what}`);
}
