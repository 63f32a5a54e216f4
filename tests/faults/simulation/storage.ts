import type { MemoryStorage } from "../../../adapters/memory.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import {
  type Keyspace,
  makesRoom,
  type ScanRange,
  type StoredEntry,
  type WriteGroup,
} from "../../../core/ports/storage.ts";
import type { MaybePromise } from "../../../core/util/promises.ts";
import { ForwardingStorage } from "../../conformance/forwarding_storage.ts";
import type { Breakage, Outcome } from "./case.ts";
import { Mistakes } from "./mistakes.ts";
import type { SimulationModel } from "./model.ts";
import { microtasks, MICROTASKS_TO_REST } from "./time.ts";

/** Something that waits until the simulation lets it happen. */
export interface SimulatedEvent {
  readonly storage: SimulatedStorage;
  happen(outcome: Outcome): void;
}

/** What the storages of a simulation share. */
export interface SimulatedDisk {
  /** The data. It answers at once. */
  readonly data: MemoryStorage;
  readonly model: SimulationModel;
  readonly readsAtOnce: boolean;
  readonly breakage: Breakage | undefined;
  /** What waits, in the order of the calls. */
  readonly waiting: SimulatedEvent[];
  /** The step that the simulation is at. */
  step: number;
}

/** Every so many commits a storage breaks its promise, if it does. */
const BROKEN_EVERY = 3;

/**
 * A storage as one process sees it. Nothing that is asked of it happens by itself: a commit takes
 * effect in one step of the simulation and is answered in a later one. In between, others may act.
 */
export class SimulatedStorage extends ForwardingStorage {
  /** The steps in which a call of it failed. */
  readonly failedAt: number[] = [];
  /** Whether its process has died: then nothing of it is ever answered. */
  hasCrashed = false;

  readonly #disk: SimulatedDisk;
  readonly #mistakes: Mistakes;
  readonly #past = new Map<string, StoredEntry | undefined>();
  #underWay = 0;
  #failing = 0;
  #commits = 0;
  #failure: PersistenceError | undefined;
  #late: readonly WriteGroup[] = [];
  #isClosed = false;

  constructor(disk: SimulatedDisk) {
    super(disk.data);
    this.#disk = disk;
    this.#mistakes = new Mistakes(disk.breakage);
  }

  override get(keyspace: Keyspace, key: Uint8Array): MaybePromise<StoredEntry | undefined> {
    return this.#read(() => this.#newest(keyspace, key, this.#disk.data.get(keyspace, key)));
  }

  override scan(keyspace: Keyspace, range: ScanRange): MaybePromise<StoredEntry[]> {
    return this.#read(() => this.#disk.data.scan(keyspace, range));
  }

  override commit(planned: readonly WriteGroup[]): Promise<readonly boolean[]> {
    const groups = planned.map((group) => this.#mistakes.makeIn(group));
    if (this.#isClosed) return Promise.reject(closed());
    if (this.#failure) this.#disk.model.fail("a commit came after REOPEN_REQUIRED");
    if (this.#underWay++ > 0) this.#disk.model.fail("two commits of one provider are under way");
    return new Promise((resolve, reject) => {
      this.#wait((outcome) => this.#carryOut(groups, outcome, resolve, reject));
    });
  }

  override sync(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#wait((outcome) => {
        if (outcome === "fails" || outcome === "throws") reject(this.#failed("fails"));
        else resolve();
      });
    });
  }

  override close(): Promise<void> {
    this.#isClosed = true;
    return new Promise((resolve) => {
      this.#wait(() => {
        this.#apply(this.#late);
        this.#late = [];
        resolve();
      });
    });
  }

  #read<Result>(read: () => Result): MaybePromise<Result> {
    if (this.#isClosed) return Promise.reject(closed());
    if (this.#disk.readsAtOnce && !this.hasCrashed) return read();
    return new Promise((resolve, reject) => {
      this.#wait((outcome) => {
        if (outcome === "fails" || outcome === "throws") reject(this.#failed("fails"));
        else resolve(read());
      });
    });
  }

  /** A storage that reads the past answers with what it had found the time before. */
  #newest(
    keyspace: Keyspace,
    key: Uint8Array,
    entry: StoredEntry | undefined,
  ): StoredEntry | undefined {
    if (this.#disk.breakage !== "reads the past" || keyspace === "snapshots") return entry;
    const name = `${keyspace} ${key.join()}`;
    const before = this.#past.has(name) ? this.#past.get(name) : entry;
    this.#past.set(name, entry);
    return before;
  }

  #carryOut(
    groups: readonly WriteGroup[],
    outcome: Outcome,
    resolve: (applied: readonly boolean[]) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#commits++;
    const error = this.#failure ?? this.#errorOf(groups, outcome);
    if (error) {
      this.#underWay--;
      return reject(error);
    }
    const isBroken = this.#commits % BROKEN_EVERY === 0;
    const { breakage } = this.#disk;
    if (isBroken && breakage === "forgets to answer") return;
    if (isBroken && breakage === "fails with effect") {
      this.#apply(groups);
      this.#underWay--;
      return reject(this.#failed("fails"));
    }
    const applied = isBroken && breakage === "acknowledges early"
      ? this.#applyLater(groups)
      : this.#apply(groups, isBroken);
    this.#wait(() => {
      this.#underWay--;
      resolve(applied);
    });
  }

  /** The error that a commit ends with, if it does; and what effect it has all the same. */
  #errorOf(groups: readonly WriteGroup[], outcome: Outcome): unknown {
    switch (outcome) {
      case "ok":
        return undefined;
      case "full":
        if (groups.every(makesRoom)) return undefined;
        this.#noteFailure();
        return new PersistenceError("STORAGE_FULL", "simulated");
      case "fails":
      case "throws":
        return this.#failed(outcome);
      case "unknown: some":
        this.#apply(groups.slice(0, groups.length >> 1));
        break;
      case "unknown: all":
        this.#apply(groups);
        break;
      case "unknown: late":
        this.#late = groups;
        break;
      case "unknown: none":
        break;
    }
    this.#noteFailure();
    this.#failure = new PersistenceError("REOPEN_REQUIRED", "simulated");
    return this.#failure;
  }

  /** Whether a call has failed, and what waited for it may not have heard of that. */
  get isFailing(): boolean {
    return this.#failing > 0;
  }

  #noteFailure(): void {
    this.failedAt.push(this.#disk.step);
    this.#failing++;
    void microtasks(MICROTASKS_TO_REST).then(() => this.#failing--);
  }

  #failed(outcome: "fails" | "throws"): Error {
    this.#noteFailure();
    return outcome === "throws" ? new Error("simulated") : new PersistenceError(
      "STORAGE_FAILED",
      "simulated",
    );
  }

  #applyLater(groups: readonly WriteGroup[]): boolean[] {
    const waiting = { storage: this, happen: () => void this.#apply(groups) };
    this.#disk.waiting.push(waiting);
    return groups.map(() => true);
  }

  #apply(groups: readonly WriteGroup[], isBroken = false): boolean[] {
    const { data, model, breakage } = this.#disk;
    return groups.map((group) => {
      const holds = group.conditions.every(({ keyspace, key, version }) =>
        data.get(keyspace, key)?.version === version
      );
      if (!holds && !(isBroken && breakage === "ignores conditions")) return false;
      if (isBroken && breakage === "loses commits") return true;
      const isHalf = isBroken && breakage === "applies half a group";
      const changes = isHalf ? group.changes.slice(1) : group.changes;
      model.apply({ conditions: [], changes });
      // It takes effect at once, and nothing can be wrong with it.
      void data.commit([{ conditions: [], changes }]);
      return true;
    });
  }

  #wait(happen: (outcome: Outcome) => void): void {
    if (!this.hasCrashed) this.#disk.waiting.push({ storage: this, happen });
  }
}

function closed(): PersistenceError {
  return new PersistenceError("CLOSED", "simulated");
}
