/**
 * Carries out a simulation: one step after the other, then everything to its end.
 *
 * @module
 */

import { MemoryStorage } from "../../adapters/memory.ts";
import { PersistenceError } from "../../core/errors.ts";
import type { JournalEntry, MessageJournal } from "../../core/journal.ts";
import { type AppendCall, type AppendFailure, messageOf } from "./simulation_calls.ts";
import {
  ACTORS,
  MAX_BATCH,
  MESSAGE_BYTES,
  type Outcome,
  type SimulationCase,
  type SimulationConfig,
  type Step,
  type Target,
} from "./simulation_case.ts";
import { SimulationModel } from "./simulation_model.ts";
import { isBatched, SimulatedProcess } from "./simulation_process.ts";
import type { SimulatedDisk } from "./simulation_storage.ts";
import { SimulatedTime } from "./simulation_time.ts";
import { runStream } from "./simulation_stream.ts";

/** As many microtasks settle whatever does not wait for the storage or a timer. */
const MICROTASKS_TO_REST = 60;
/** As many pass at most between the answer to an append and its caller's hearing of it. */
const MICROTASKS_TO_TELL = 10;
/** A run that goes on and on after its last step never ends. */
const MAX_EVENTS_TO_REST = 3_000;
/** What waits for room is bounded by so many times the limits. */
const WAITING_FACTOR = 10;
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

class SimulationRun {
  readonly #config: SimulationConfig;
  readonly #time: SimulatedTime;
  readonly #model = new SimulationModel();
  readonly #disk: SimulatedDisk;
  /** One place per process; empty while it is being opened. */
  readonly #processes: (SimulatedProcess | undefined)[] = [];
  readonly #open = new Set<OpenCall>();
  readonly #aborts: { readonly call: AppendCall; readonly controller: AbortController }[] = [];
  readonly #calls = new Map<MessageJournal<number>, AppendCall[]>();
  #instances = 0;
  #snapshots = 0;
  #acknowledged = 0;
  #trace = 0x811c9dc5;

  constructor(config: SimulationConfig, data: MemoryStorage) {
    this.#config = config;
    this.#time = new SimulatedTime(config.msPerLook);
    this.#disk = {
      data,
      model: this.#model,
      readsAtOnce: config.readsAtOnce,
      breakage: config.breakage,
      waiting: [],
      step: 0,
    };
  }

  async carryOut(steps: readonly Step[]): Promise<SimulationResult> {
    this.#time.install();
    try {
      for (let place = 0; place < this.#config.providers; place++) this.#launch(place);
      await this.#rest();
      for (const step of steps) {
        if (this.#model.failure !== undefined) break;
        this.#disk.step++;
        this.#note(step.do.length, "pick" in step ? step.pick : 0);
        await this.#take(step);
        this.#checkBounds();
      }
      await this.#finish();
    } finally {
      this.#time.uninstall();
    }
    return {
      failure: this.#model.failure,
      trace: this.#trace >>> 0,
      acknowledged: this.#acknowledged,
      groups: this.#model.groups,
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
        return this.#abort(step.pick);
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
        return this.#append(process, step);
      case "truncate":
        return this.#truncate(process, step);
      case "flush":
        return this.#flush(process, step);
      case "policy":
        return this.#changePolicy(process, step);
      case "replace journal":
        return this.#replaceJournal(process, step);
      case "read":
        return this.#read(process, step);
      case "highest":
        return this.#readHighest(process, step);
      case "save":
        return this.#save(process, step);
      case "load":
        return this.#load(process, step);
      case "delete snapshots":
        return this.#deleteSnapshots(process, step);
      case "stream":
        return this.#stream(process, step);
      case "stats":
        return this.#readStats(process);
      case "sync":
        return this.#watch("sync", process, process.provider.sync());
      case "health":
        return this.#watch("isHealthy", process, process.provider.isHealthy());
      case "reopen":
        return this.#reopen(step.provider, process);
      case "crash":
        return this.#crash(step.provider, process);
    }
  }

  #append(process: SimulatedProcess, step: Step & { do: "append" }): void {
    const actorId = actorOf(step);
    const { count, expect } = step;
    const next = this.#model.actor(actorId).log.length;
    const call = this.#newCall(process, actorId, count, {
      expected: expect === undefined ? undefined : Math.max(0, next + expect),
    });
    const controller = step.abortable ? new AbortController() : undefined;
    if (controller) this.#aborts.push({ call, controller });
    const options = {
      ...(call.expected === undefined ? {} : { expectedSequenceNumber: call.expected }),
      ...(controller ? { signal: controller.signal } : {}),
    };
    const journal = process.journal(step.journal);
    const messages = Array.from({ length: count }, (_, index) => messageOf(call, index));
    const appended = count === 1
      ? journal.append(actorId, messages[0] ?? 0, options)
      : journal.appendBatch(actorId, messages, options).then((numbers) => {
        const isRun = numbers.length === count &&
          numbers.every((number, index) => number === (numbers[0] ?? 0) + index);
        if (!isRun) this.#model.fail(`append ${call.id} got the numbers ${numbers}`);
        return numbers[0] ?? -1;
      });
    this.#watch(`append ${call.id}`, process, appended, (first) => {
      this.#acknowledged++;
      this.#note(call.id, first);
      this.#model.acknowledge(call, first);
    }, (code, error) => {
      this.#note(call.id, code.length);
      const failedAt = process.storage.failedAt.find((step) => step > call.issuedAt);
      const actual = error instanceof PersistenceError ? error.actualSequenceNumber : undefined;
      this.#model.reject(call, code, failedAt ?? 0, actual);
    });
    this.#callsOf(journal).push(call);
  }

  #newCall(
    process: SimulatedProcess,
    actorId: string,
    count: number,
    rest: { expected?: number | undefined; isStreamed?: boolean },
  ): AppendCall {
    const call: AppendCall = {
      id: this.#model.calls.length,
      actorId,
      instance: process.instance,
      count,
      expected: rest.expected,
      isStreamed: rest.isStreamed ?? false,
      timeMs: Date.now(),
      nextAtCall: this.#model.actor(actorId).log.length,
      issuedAt: this.#disk.step,
      aborted: false,
      doomed: false,
      committedAt: undefined,
      outcome: undefined,
    };
    this.#model.calls.push(call);
    return call;
  }

  #abort(pick: number): void {
    const [aborted] = this.#aborts.splice(pick % Math.max(1, this.#aborts.length), 1);
    if (!aborted) return;
    aborted.call.aborted = true;
    aborted.controller.abort(new Error("aborted"));
  }

  #truncate(process: SimulatedProcess, step: Step & { do: "truncate" }): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const before = Math.max(0, actor.log.length - step.back);
    const least = Math.min(before, actor.log.length);
    const truncated = process.journal(step.journal).truncateBefore(actorId, before);
    this.#watch("truncateBefore", process, truncated, () => {
      if (actor.first < least) {
        this.#model.fail(`${actorId} was truncated before ${least} and begins at ${actor.first}`);
      }
    });
  }

  #flush(process: SimulatedProcess, step: Target): void {
    const journal = process.journal(step.journal);
    if (!isBatched(journal)) return;
    const before = this.#callsOf(journal).filter(({ outcome }) => outcome === undefined);
    this.#watch("flush", process, journal.flush(), () => void this.#checkFlushed(before));
  }

  /** What was called before a flush has been answered when the flush is. */
  async #checkFlushed(calls: readonly AppendCall[]): Promise<void> {
    await microtasks(MICROTASKS_TO_TELL);
    for (const { id, outcome, committedAt } of calls) {
      if (outcome === undefined && committedAt === undefined) {
        this.#model.fail(`append ${id} was flushed, but it is not in the storage`);
      }
    }
  }

  #callsOf(journal: MessageJournal<number>): AppendCall[] {
    const calls = this.#calls.get(journal) ?? [];
    this.#calls.set(journal, calls);
    return calls;
  }

  #changePolicy(process: SimulatedProcess, step: Step & { do: "policy" }): void {
    const journal = process.journal(step.journal);
    if (!isBatched(journal)) return;
    const { setting, value } = step;
    if (setting === 0) journal.maxBatchSize = 1 + value;
    else if (setting === 1) journal.maxBatchBytes = 1 + 5 * value;
    else if (setting === 2) journal.maxBatchDelayMs = value;
    else journal.adaptive = !journal.adaptive;
  }

  #replaceJournal(process: SimulatedProcess, step: Target): void {
    const { journal, closed } = process.replaceJournal(step.journal);
    const before = this.#callsOf(journal).filter(({ outcome }) => outcome === undefined);
    this.#watch("close journal", process, closed, () => {
      void this.#checkFlushed(before);
      const { messages, bytes } = journal.pending;
      if (messages !== 0 || bytes !== 0) {
        this.#model.fail(`a closed journal has ${messages} messages, ${bytes} bytes pending`);
      }
    });
  }

  #read(process: SimulatedProcess, step: Step & { do: "read" }): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const next = actor.log.length;
    const { first } = actor;
    const from = Math.max(0, next - step.back);
    const limit = step.limit ?? Infinity;
    const options = step.limit === undefined ? {} : { limit: step.limit };
    const read = process.journal(step.journal).readFrom(actorId, from, options);
    this.#watch("readFrom", process, read, (entries) => {
      this.#checkEntries(actorId, entries, { from, first, next, limit });
    });
  }

  /** What was there when the reading began must be there; what came meanwhile may be. */
  #checkEntries(
    actorId: string,
    entries: readonly JournalEntry<number>[],
    known: { from: number; first: number; next: number; limit: number },
  ): void {
    const actor = this.#model.actor(actorId);
    const begin = entries[0]?.sequenceNumber ?? Math.max(known.from, known.next, actor.first);
    const end = begin + entries.length;
    this.#note(begin, end);
    const isWhole = entries.length <= known.limit && begin >= Math.max(known.from, known.first) &&
      (entries.length === 0 || begin <= Math.max(known.from, actor.first)) &&
      (end >= known.next || entries.length === known.limit);
    const isRight = entries.every(({ sequenceNumber, message }, index) =>
      sequenceNumber === begin + index && message === actor.log[sequenceNumber]
    );
    if (isWhole && isRight) return;
    this.#model.fail(
      `reading ${actorId} from ${known.from} gave ${begin} to ${end} of ${actor.first} to ${actor.log.length}`,
    );
  }

  #readHighest(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const before = actor.log.length - 1;
    const read = process.journal(step.journal).getHighestSequenceNumber(actorId);
    this.#watch("getHighestSequenceNumber", process, read, (highest) => {
      this.#note(highest, 0);
      if (highest >= before && highest < actor.log.length) return;
      this.#model.fail(`the highest number of ${actorId} was ${highest}, it was ${before}`);
    });
  }

  #save(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const number = this.#snapshots++;
    const saved = process.snapshots.saveSnapshot(actorId, number, number);
    this.#watch("saveSnapshot", process, saved, () => {
      actor.acknowledgedSnapshot = Math.max(actor.acknowledgedSnapshot, number);
    });
  }

  #load(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const least = actor.acknowledgedSnapshot;
    this.#watch(
      "getLatestSnapshot",
      process,
      process.snapshots.getLatestSnapshot(actorId),
      (latest) => {
        const number = latest?.sequenceNumber ?? -1;
        this.#note(number, 1);
        const isLost = number < least && !actor.snapshotsDeleted;
        if (isLost || (latest && latest.state !== number)) {
          this.#model.fail(`the snapshot of ${actorId} is ${number}, at least ${least} was saved`);
        }
      },
    );
  }

  #deleteSnapshots(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    this.#model.actor(actorId).snapshotsDeleted = true;
    this.#watch("deleteSnapshots", process, process.snapshots.deleteSnapshots(actorId));
  }

  #stream(process: SimulatedProcess, step: Step & { do: "stream" }): void {
    process.streams++;
    const actorId = actorOf(step);
    const calls = Array.from(
      { length: step.count },
      () => this.#newCall(process, actorId, 1, { isStreamed: true }),
    );
    const writable = process.journal(step.journal).writable(actorId);
    this.#watch("stream", process, runStream(writable, calls, step.end), (problem) => {
      if (problem !== undefined) this.#model.fail(problem);
    });
  }

  #readStats(process: SimulatedProcess): void {
    this.#watch("stats", process, process.provider.stats(), ({ pending }) => {
      const { maxMessages, maxBytes } = this.#limits();
      if (pending.messages <= maxMessages && pending.bytes <= maxBytes) return;
      this.#model.fail(`${pending.messages} messages, ${pending.bytes} bytes wait to be committed`);
    });
  }

  /** A batch that is larger than the limits by itself may go out alone. */
  #limits(): { maxMessages: number; maxBytes: number } {
    const { maxPendingMessages, maxPendingBytes, padding } = this.#config;
    return {
      maxMessages: Math.max(maxPendingMessages, MAX_BATCH),
      maxBytes: Math.max(maxPendingBytes, MAX_BATCH * (MESSAGE_BYTES + padding)),
    };
  }

  #checkBounds(): void {
    const { maxMessages, maxBytes } = this.#limits();
    const isWaiting = this.#config.backpressure === "wait";
    for (const process of this.#processes) {
      if (!process) continue;
      const times = 1 + process.streams + (isWaiting ? WAITING_FACTOR : 0);
      const { messages, bytes } = process.pending;
      if (messages > times * maxMessages || bytes > times * maxBytes) {
        this.#model.fail(
          `${messages} messages, ${bytes} bytes wait in provider ${process.instance}`,
        );
      }
    }
    // One for the batch of each batched journal.
    const journals = this.#instances * 2;
    if (this.#time.timers > journals + this.#model.calls.length) {
      this.#model.fail(`${this.#time.timers} timers are set`);
    }
  }

  #launch(place: number): void {
    this.#processes[place] = undefined;
    const opened = this.#openPatiently().then((process) => {
      this.#processes[place] = process;
    });
    this.#watch("open provider", undefined, opened);
  }

  async #openPatiently(): Promise<SimulatedProcess> {
    for (;;) {
      try {
        const instance = this.#instances++;
        return await SimulatedProcess.open(instance, this.#disk, this.#config, () => {});
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
    this.#watch("close provider", process, provider.close(), () => this.#launch(place));
  }

  /** What it had under way is never answered; what the storage has not done, it never does. */
  #crash(place: number, process: SimulatedProcess): void {
    const { storage } = process;
    storage.hasCrashed = true;
    const { waiting } = this.#disk;
    waiting.splice(0, waiting.length, ...waiting.filter((event) => event.storage !== storage));
    for (const call of this.#open) if (call.process === process) this.#open.delete(call);
    for (const call of this.#model.calls) {
      if (call.instance === process.instance) call.outcome ??= "unknown";
    }
    this.#launch(place);
  }

  /** Keeps count of a call until it settles, and looks at what it settles with. */
  #watch<Value>(
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
      else this.#model.fail(`${name} was rejected with ${String(error)}`);
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
    for (let events = 0; this.#model.failure === undefined; events++) {
      if (events > MAX_EVENTS_TO_REST) return this.#model.fail("it does not come to rest");
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
    this.#model.fail(`nothing is under way, but these never settled: ${names.join(", ")}`);
  }

  async #finish(): Promise<void> {
    await this.#rest();
    for (const process of this.#processes) {
      if (!process || this.#model.failure !== undefined) continue;
      const { messages, bytes } = process.pending;
      if (messages + bytes !== 0) {
        this.#model.fail(`nothing is under way, but ${messages} messages are said to be pending`);
      }
      this.#watch("close provider", process, process.provider.close());
    }
    await this.#rest();
    if (this.#model.failure !== undefined) return;
    if (this.#time.hasTimers) this.#model.fail("a timer is set after everything was closed");
    this.#model.checkEnds();
    await this.#readAll();
  }

  /** What a provider on the bare data reads must be what has taken effect. */
  async #readAll(): Promise<void> {
    const disk = { ...this.#disk, readsAtOnce: true, breakage: undefined };
    const opening = SimulatedProcess.open(-1, disk, this.#config, () => {});
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
      const { first, log } = this.#model.actor(actorId);
      const entries = await process.journal(0).readFrom(actorId, 0).catch((error) => {
        this.#model.fail(`${actorId} cannot be read: ${error}`);
      });
      if (!entries) return;
      this.#checkEntries(actorId, entries, {
        from: 0,
        first,
        next: log.length,
        limit: Infinity,
      });
    }
  }

  /** FNV-1a over what has happened. */
  #note(a: number, b: number): void {
    this.#trace = Math.imul(this.#trace ^ (a & 0xffff), 0x01000193);
    this.#trace = Math.imul(this.#trace ^ (b & 0xffff), 0x01000193);
  }
}

function actorOf({ actor }: Pick<Target, "actor">): string {
  return `actor-${actor}`;
}

async function microtasks(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await undefined;
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
