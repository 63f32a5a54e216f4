import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { JournalEntry, MessageJournal } from "../../../core/ports/journal.ts";
import { type AppendCall, type AppendFailure, messageOf } from "./calls.ts";
import { MAX_BATCH, MESSAGE_BYTES, type SimulationConfig, type Step, type Target } from "./case.ts";
import type { SimulationModel } from "./model.ts";
import { isBatched, type SimulatedProcess } from "./process.ts";
import { runStream } from "./stream.ts";
import { microtasks } from "./time.ts";

/** As many microtasks pass at most between the answer to a call and its caller's hearing of it. */
const MICROTASKS_TO_TELL = 10;

/** What a caller is told of the run that it is part of. */
export interface CallContext {
  readonly config: SimulationConfig;
  readonly model: SimulationModel;
  /** The step that the run is at. */
  readonly step: number;
  /** Keeps count of a call until it settles, and looks at what it settles with. */
  watch<Value>(
    name: string,
    process: SimulatedProcess | undefined,
    promise: Promise<Value>,
    onValue?: (value: Value) => void,
    onFailure?: (code: AppendFailure, error: unknown) => void,
  ): void;
  /** Adds to the trace. */
  note(a: number, b: number): void;
}

/** Makes the calls of a simulation, and looks at their answers. */
export class SimulatedCaller {
  /** How many appends were acknowledged. */
  acknowledged = 0;
  /** How many journals were closed and made anew. */
  replaced = 0;

  readonly #context: CallContext;
  readonly #model: SimulationModel;
  readonly #aborts: { readonly call: AppendCall; readonly controller: AbortController }[] = [];
  readonly #calls = new Map<MessageJournal<number>, AppendCall[]>();
  #snapshots = 0;

  constructor(context: CallContext) {
    this.#context = context;
    this.#model = context.model;
  }

  append(process: SimulatedProcess, step: Step & { do: "append" }): void {
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
    this.#context.watch(`append ${call.id}`, process, appended, (first) => {
      this.acknowledged++;
      this.#context.note(call.id, first);
      this.#model.acknowledge(call, first);
    }, (code, error) => {
      this.#context.note(call.id, code.length);
      const failedAt = call.isIssuedInFailure
        ? call.issuedAt
        : process.storage.failedAt.find((step) => step > call.issuedAt);
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
      issuedAt: this.#context.step,
      isIssuedInFailure: process.storage.isFailing,
      aborted: false,
      doomed: false,
      committedAt: undefined,
      outcome: undefined,
    };
    this.#model.calls.push(call);
    return call;
  }

  abort(pick: number): void {
    const [aborted] = this.#aborts.splice(pick % Math.max(1, this.#aborts.length), 1);
    if (!aborted) return;
    aborted.call.aborted = true;
    aborted.controller.abort(new Error("aborted"));
  }

  truncate(process: SimulatedProcess, step: Step & { do: "truncate" }): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const before = Math.max(0, actor.log.length - step.back);
    const least = Math.min(before, actor.log.length);
    const truncated = process.journal(step.journal).truncateBefore(actorId, before);
    this.#context.watch("truncateBefore", process, truncated, () => {
      if (actor.first < least) {
        this.#model.fail(`${actorId} was truncated before ${least} and begins at ${actor.first}`);
      }
    });
  }

  flush(process: SimulatedProcess, step: Target): void {
    const journal = process.journal(step.journal);
    if (!isBatched(journal)) return;
    const before = this.#callsOf(journal).filter(({ outcome }) => outcome === undefined);
    this.#context.watch("flush", process, journal.flush(), () => void this.#checkFlushed(before));
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

  changePolicy(process: SimulatedProcess, step: Step & { do: "policy" }): void {
    const journal = process.journal(step.journal);
    if (!isBatched(journal)) return;
    const { setting, value } = step;
    if (setting === 0) journal.maxBatchSize = 1 + value;
    else if (setting === 1) journal.maxBatchBytes = 1 + 5 * value;
    else if (setting === 2) journal.maxBatchDelayMs = value;
    else journal.adaptive = !journal.adaptive;
  }

  replaceJournal(process: SimulatedProcess, step: Target): void {
    this.replaced++;
    const { journal, closed } = process.replaceJournal(step.journal);
    const before = this.#callsOf(journal).filter(({ outcome }) => outcome === undefined);
    this.#context.watch("close journal", process, closed, () => {
      void this.#checkFlushed(before);
      const { messages, bytes } = journal.pending;
      if (messages !== 0 || bytes !== 0) {
        this.#model.fail(`a closed journal has ${messages} messages, ${bytes} bytes pending`);
      }
    });
  }

  read(process: SimulatedProcess, step: Step & { do: "read" }): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const next = actor.log.length;
    const { first } = actor;
    const from = Math.max(0, next - step.back);
    const limit = step.limit ?? Infinity;
    const options = step.limit === undefined ? {} : { limit: step.limit };
    const read = process.journal(step.journal).readFrom(actorId, from, options);
    this.#context.watch("readFrom", process, read, (entries) => {
      this.checkEntries(actorId, entries, { from, first, next, limit });
    });
  }

  /** What was there when the reading began must be there; what came meanwhile may be. */
  checkEntries(
    actorId: string,
    entries: readonly JournalEntry<number>[],
    known: { from: number; first: number; next: number; limit: number },
  ): void {
    const actor = this.#model.actor(actorId);
    const begin = entries[0]?.sequenceNumber ?? Math.max(known.from, known.next, actor.first);
    const end = begin + entries.length;
    this.#context.note(begin, end);
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

  readHighest(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const before = actor.log.length - 1;
    const read = process.journal(step.journal).getHighestSequenceNumber(actorId);
    this.#context.watch("getHighestSequenceNumber", process, read, (highest) => {
      this.#context.note(highest, 0);
      if (highest >= before && highest < actor.log.length) return;
      this.#model.fail(`the highest number of ${actorId} was ${highest}, it was ${before}`);
    });
  }

  save(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const number = this.#snapshots++;
    const saved = process.snapshots.saveSnapshot(actorId, number, number);
    this.#context.watch("saveSnapshot", process, saved, () => {
      actor.acknowledgedSnapshot = Math.max(actor.acknowledgedSnapshot, number);
    });
  }

  load(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    const actor = this.#model.actor(actorId);
    const least = actor.acknowledgedSnapshot;
    this.#context.watch(
      "getLatestSnapshot",
      process,
      process.snapshots.getLatestSnapshot(actorId),
      (latest) => {
        const number = latest?.sequenceNumber ?? -1;
        this.#context.note(number, 1);
        const isLost = number < least && !actor.snapshotsDeleted;
        if (isLost || (latest && latest.state !== number)) {
          this.#model.fail(`the snapshot of ${actorId} is ${number}, at least ${least} was saved`);
        }
      },
    );
  }

  deleteSnapshots(process: SimulatedProcess, step: Target): void {
    const actorId = actorOf(step);
    this.#model.actor(actorId).snapshotsDeleted = true;
    this.#context.watch("deleteSnapshots", process, process.snapshots.deleteSnapshots(actorId));
  }

  stream(process: SimulatedProcess, step: Step & { do: "stream" }): void {
    process.streams++;
    const actorId = actorOf(step);
    const calls = Array.from(
      { length: step.count },
      () => this.#newCall(process, actorId, 1, { isStreamed: true }),
    );
    const writable = process.journal(step.journal).writable(actorId);
    this.#context.watch("stream", process, runStream(writable, calls, step.end), (problem) => {
      if (problem !== undefined) this.#model.fail(problem);
    });
  }

  readStats(process: SimulatedProcess): void {
    this.#context.watch("stats", process, process.provider.stats(), ({ pending }) => {
      const { maxMessages, maxBytes } = this.limits();
      if (pending.messages <= maxMessages && pending.bytes <= maxBytes) return;
      this.#model.fail(`${pending.messages} messages, ${pending.bytes} bytes wait to be committed`);
    });
  }

  /** A batch that is larger than the limits by itself may go out alone. */
  limits(): { maxMessages: number; maxBytes: number } {
    const { maxPendingMessages, maxPendingBytes, padding } = this.#context.config;
    return {
      maxMessages: Math.max(maxPendingMessages, MAX_BATCH),
      maxBytes: Math.max(maxPendingBytes, MAX_BATCH * (MESSAGE_BYTES + padding)),
    };
  }
}

/** The id of an actor. */
export function actorOf({ actor }: Pick<Target, "actor">): string {
  return `actor-${actor}`;
}
