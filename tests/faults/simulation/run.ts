/**
 * Carries out a simulation: one step after the other, then everything to its end.
 *
 * @module
 */

import { MemoryStorage } from "../../../adapters/memory.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { actorOf, type CallContext, SimulatedCaller } from "./caller.ts";
import type { AppendFailure } from "./calls.ts";
import {
  ACTORS,
  type Outcome,
  type SimulationCase,
  type SimulationConfig,
  type Step,
} from "./case.ts";
import { SimulationModel } from "./model.ts";
import { SimulatedProcess } from "./process.ts";
import type { SimulatedDisk } from "./storage.ts";
import { microtasks, MICROTASKS_TO_REST, SimulatedTime } from "./time.ts";

/** A run that goes on and on after its last step never ends. */
const MAX_EVENTS_TO_REST = 3_000;
/** What waits for room is bounded by so many times the limits. */
const WAITING_FACTOR = 10;
/** In each process. */
const BATCHED_JOURNALS = 2;
const READS = ["readFrom", "getHighestSequenceNumber", "getLatestSnapshot", "stats"];

const realTurn = globalThis.setImmediate;

/** What came of a run. */
export interface SimulationResult {
  /** What did not hold, or `undefined`. */
  readonly failure: string | undefined;
  /** A number that tells whether two runs were the same, step by step. */
  readonly trace: number;
  /** How many appends were acknowledged. */
  readonly acknowledged: number;
  /** How many groups took effect. */
  readonly groups: number;
}

interface OpenCall {
  readonly name: string;
  readonly process: SimulatedProcess | undefined;
}

/**
 * Carries out a run.
 *
 * @param simulation The run.
 * @returns What came of it.
 */
export async function simulate(simulation: SimulationCase): Promise<SimulationResult> {
  const run = new SimulationRun(simulation.config, await MemoryStorage.open());
  return await run.carryOut(simulation.steps);
}

class SimulationRun implements CallContext {
  readonly config: SimulationConfig;
  readonly model = new SimulationModel();
  readonly #time: SimulatedTime;
  readonly #disk: SimulatedDisk;
  /** One place per process; empty while it is being opened. */
  readonly #processes: (SimulatedProcess | undefined)[] = [];
  readonly #open = new Set<OpenCall>();
  readonly #caller = new SimulatedCaller(this);
  #instances = 0;
  #trace = 0x811c9dc5;

  constructor(config: SimulationConfig, data: MemoryStorage) {
    this.config = config;
    this.#time = new SimulatedTime(config.msPerLook);
    this.#disk = {
      data,
      model: this.model,
      readsAtOnce: config.readsAtOnce,
      breakage: config.breakage,
      waiting: [],
      step: 0,
    };
  }

  get step(): number {
    return this.#disk.step;
  }

  async carryOut(steps: readonly Step[]): Promise<SimulationResult> {
    this.#time.install();
    try {
      for (let place = 0; place < this.config.providers; place++) this.#launch(place);
      await this.#rest();
      for (const step of steps) {
        if (this.model.failure !== undefined) break;
        this.#disk.step++;
        this.note(step.do.length, "pick" in step ? step.pick : 0);
        await this.#take(step);
        this.#checkBounds();
      }
      await this.#finish();
    } finally {
      this.#time.uninstall();
    }
    return {
      failure: this.model.failure,
      trace: this.#trace >>> 0,
      acknowledged: this.#caller.acknowledged,
      groups: this.model.groups,
    };
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case "answer":
        this.#answer(step.pick, step.outcome);
        return await microtasks(step.pick);
      case "tick":
        return await microtasks(step.count);
      case "advance":
        return this.#time.advance(step.ms);
      case "set clock":
        return this.#time.setWallClock(step.ms);
      case "abort":
        return this.#caller.abort(step.pick);
      default:
        this.#call(step);
    }
  }

  #call(step: Exclude<Step, { do: "answer" | "tick" | "advance" | "set clock" | "abort" }>): void {
    const process = this.#processes[step.provider];
    if (!process) return;
    if (process.mustReopen && step.do !== "crash") return this.#reopen(step.provider, process);
    switch (step.do) {
      case "append":
        return this.#caller.append(process, step);
      case "truncate":
        return this.#caller.truncate(process, step);
      case "flush":
        return this.#caller.flush(process, step);
      case "policy":
        return this.#caller.changePolicy(process, step);
      case "replace journal":
        return this.#caller.replaceJournal(process, step);
      case "read":
        return this.#caller.read(process, step);
      case "highest":
        return this.#caller.readHighest(process, step);
      case "save":
        return this.#caller.save(process, step);
      case "load":
        return this.#caller.load(process, step);
      case "delete snapshots":
        return this.#caller.deleteSnapshots(process, step);
      case "stream":
        return this.#caller.stream(process, step);
      case "stats":
        return this.#caller.readStats(process);
      case "sync":
        return this.watch("sync", process, process.provider.sync());
      case "health":
        return this.watch("isHealthy", process, process.provider.isHealthy());
      case "reopen":
        return this.#reopen(step.provider, process);
      case "crash":
        return this.#crash(step.provider, process);
    }
  }

  #checkBounds(): void {
    const { maxMessages, maxBytes } = this.#caller.limits();
    const isWaiting = this.config.backpressure === "wait";
    for (const process of this.#processes) {
      if (!process) continue;
      const times = 1 + process.streams + (isWaiting ? WAITING_FACTOR : 0);
      const { messages, bytes } = process.pending;
      if (messages > times * maxMessages || bytes > times * maxBytes) {
        this.model.fail(
          `${messages} messages, ${bytes} bytes wait in provider ${process.instance}`,
        );
      }
    }
    // At most one for each batched journal that there ever was.
    if (this.#time.timers > BATCHED_JOURNALS * (this.#instances + this.#caller.replaced)) {
      this.model.fail(`${this.#time.timers} timers are set`);
    }
  }

  #launch(place: number): void {
    this.#processes[place] = undefined;
    const opened = this.#openPatiently().then((process) => {
      this.#processes[place] = process;
    });
    this.watch("open provider", undefined, opened);
  }

  async #openPatiently(): Promise<SimulatedProcess> {
    for (;;) {
      try {
        const instance = this.#instances++;
        return await SimulatedProcess.open(instance, this.#disk, this.config);
      } catch (error) {
        const codes = ["STORAGE_FAILED", "STORAGE_FULL", "REOPEN_REQUIRED"];
        const isSimulated = error instanceof Error && error.message === "simulated";
        if (isSimulated || codes.includes(codeOf(error))) continue;
        throw error;
      }
    }
  }

  #reopen(place: number, process: SimulatedProcess): void {
    this.#processes[place] = undefined;
    const { provider } = process;
    this.watch("close provider", process, provider.close(), () => this.#launch(place));
  }

  /** What it had under way is never answered; what the storage has not done, it never does. */
  #crash(place: number, process: SimulatedProcess): void {
    const { storage } = process;
    storage.hasCrashed = true;
    const { waiting } = this.#disk;
    waiting.splice(0, waiting.length, ...waiting.filter((event) => event.storage !== storage));
    for (const call of this.#open) if (call.process === process) this.#open.delete(call);
    for (const call of this.model.calls) {
      if (call.instance === process.instance) call.outcome ??= "unknown";
    }
    this.#launch(place);
  }

  /** Keeps count of a call until it settles, and looks at what it settles with. */
  watch<Value>(
    name: string,
    process: SimulatedProcess | undefined,
    promise: Promise<Value>,
    onValue: (value: Value) => void = () => {},
    onFailure: (code: AppendFailure, error: unknown) => void = () => {},
  ): void {
    const call = { name, process };
    this.#open.add(call);
    promise.then((value) => {
      if (this.#settle(call)) onValue(value);
    }, (error: unknown) => {
      if (!this.#settle(call)) return;
      const code = codeOf(error);
      if (code === "REOPEN_REQUIRED" && process) process.mustReopen = true;
      if (isAllowed(code, name)) onFailure(code, error);
      else this.model.fail(`${name} was rejected with ${String(error)}`);
    });
  }

  /** Nothing that a process says after it has died counts. */
  #settle(call: OpenCall): boolean {
    this.#open.delete(call);
    return !call.process?.storage.hasCrashed;
  }

  #answer(pick: number, outcome: Outcome): void {
    const { waiting } = this.#disk;
    if (waiting.length === 0) return;
    const [event] = waiting.splice(pick % waiting.length, 1);
    event?.happen(outcome);
  }

  /** Lets everything settle: the storage answers, and timers fire. */
  async #rest(): Promise<void> {
    for (let events = 0; this.model.failure === undefined; events++) {
      if (events > MAX_EVENTS_TO_REST) return this.model.fail("it does not come to rest");
      await microtasks(MICROTASKS_TO_REST);
      this.#disk.step++;
      if (this.#disk.waiting.length > 0) this.#answer(0, "ok");
      else if (this.#time.hasTimers) this.#time.advanceToTimer();
      else if (this.#open.size === 0) return;
      else if (!(await this.#turn())) return this.#failUnsettled();
    }
  }

  /** A turn of the event loop, for what runtimes do not do in microtasks. Tells whether it helped. */
  async #turn(): Promise<boolean> {
    const open = this.#open.size;
    this.#time.uninstall();
    await new Promise((resolve) => realTurn(() => resolve(undefined)));
    this.#time.install();
    return this.#open.size < open || this.#disk.waiting.length > 0 || this.#time.hasTimers;
  }

  #failUnsettled(): void {
    const names = [...this.#open].map(({ name, process }) => `${name} of ${process?.instance}`);
    this.model.fail(`nothing is under way, but these never settled: ${names.join(", ")}`);
  }

  async #finish(): Promise<void> {
    await this.#rest();
    for (const process of this.#processes) {
      if (!process || this.model.failure !== undefined) continue;
      const { messages, bytes } = process.pending;
      if (messages + bytes !== 0) {
        this.model.fail(`nothing is under way, but ${messages} messages are said to be pending`);
      }
      this.watch("close provider", process, process.provider.close());
    }
    await this.#rest();
    if (this.model.failure !== undefined) return;
    if (this.#time.hasTimers) this.model.fail("a timer is set after everything was closed");
    this.model.checkEnds();
    await this.#readAll();
  }

  /** What a provider on the bare data reads must be what has taken effect. */
  async #readAll(): Promise<void> {
    const disk = { ...this.#disk, readsAtOnce: true, breakage: undefined };
    const opening = SimulatedProcess.open(-1, disk, this.config);
    opening.catch(() => {
      // Told below.
    });
    await microtasks(MICROTASKS_TO_REST);
    while (disk.waiting.length > 0) {
      disk.waiting.shift()?.happen("ok");
      await microtasks(MICROTASKS_TO_REST);
    }
    const process = await opening;
    for (let actor = 0; actor < ACTORS; actor++) {
      const actorId = actorOf({ actor });
      const { first, log } = this.model.actor(actorId);
      const entries = await process.journal(0).readFrom(actorId, 0).catch((error) => {
        this.model.fail(`${actorId} cannot be read: ${error}`);
      });
      if (!entries) return;
      this.#caller.checkEntries(actorId, entries, {
        from: 0,
        first,
        next: log.length,
        limit: Infinity,
      });
    }
  }

  /** FNV-1a over what has happened. */
  note(a: number, b: number): void {
    this.#trace = Math.imul(this.#trace ^ (a & 0xffff), 0x01000193);
    this.#trace = Math.imul(this.#trace ^ (b & 0xffff), 0x01000193);
  }
}

function codeOf(error: unknown): AppendFailure {
  if (error instanceof PersistenceError) return error.code;
  return error instanceof Error && error.message === "aborted" ? "aborted" : "unknown";
}

/** What a call may be rejected with on a storage that fails. */
function isAllowed(code: AppendFailure, name: string): boolean {
  if (code === "STORAGE_FAILED" || code === "STORAGE_FULL" || code === "REOPEN_REQUIRED") {
    return true;
  }
  if (name.startsWith("append") || name === "flush") {
    return ["CONFLICT", "BACKPRESSURE", "TOO_LARGE", "aborted"].includes(code);
  }
  // What is being read when the provider is closed is cut off.
  if (READS.includes(name) && code === "CLOSED") return true;
  return name === "readFrom" && code === "TRUNCATED";
}
