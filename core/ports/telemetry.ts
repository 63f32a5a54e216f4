/**
 * What a provider tells those who watch over it: events, when something has happened. The package
 * `@cajun/persistence/otel` makes metrics of them.
 *
 * @module
 */

/**
 * Listens to a provider. Pass it as `telemetry` when the provider is opened.
 *
 * @example Commits that take long
 * ```ts
 * import type { Telemetry } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * const telemetry: Telemetry = {
 *   onEvent(event) {
 *     if (event.type === "commit") console.log(event.outcome, event.messages); // committed 2
 *   },
 * };
 * await using provider = await MemoryPersistenceProvider.open({ telemetry });
 * await provider.createMessageJournal<string>().appendBatch("door-1", ["opened", "closed"]);
 * ```
 */
export interface Telemetry {
  /**
   * Whether it wants to hear of events now. While nobody does, none is made. It is asked often, so it
   * must answer at once.
   *
   * @default {true}
   */
  readonly isEnabled?: boolean;
  /**
   * Called with each event, in the midst of the work that it tells of, so it must be quick. What it
   * throws, or its promise rejects with, disturbs nothing: it is counted in
   * `ProviderStats.failedTelemetry`.
   *
   * @param event The event. It is not used again, so it may be kept.
   * @returns Nothing that is looked at, unless it is a promise that rejects.
   */
  onEvent(event: TelemetryEvent): unknown;
  /**
   * Begins a span, in the midst of the call that it stands for. Of several listeners the first one
   * that has this is asked. What it throws disturbs nothing, as with `onEvent`.
   *
   * @param start What it stands for.
   * @returns The span; `undefined` if it is not wanted.
   */
  startSpan?(start: SpanStart): TelemetrySpan | undefined;
}

/** What a span stands for. */
export interface SpanStart {
  /**
   * - `"append"`: a call of `append` or `appendBatch`, until its messages are durable.
   * - `"ask"`, `"tell"`: a message to an actor, until it is answered, or was handled. The handler runs
   *   in the span.
   * - `"recovery"`: the recovery of an actor.
   * - `"backup"`: a backup of the provider, until it is verified and on disk.
   */
  readonly name: "append" | "ask" | "tell" | "recovery" | "backup";
  /** The kind of the actor, `""` if it has none; `undefined` for a backup. */
  readonly kind: string | undefined;
  /** The id of the actor; `undefined` for a backup. */
  readonly actorId: string | undefined;
}

/** A span that has begun. */
export interface TelemetrySpan {
  /** Where it stands in its trace. It is stored with the messages that it leads to. */
  readonly context?: TraceContext | undefined;
  /**
   * Calls a function within the span, so that spans which begin in it, and after each `await` in it,
   * are its children.
   *
   * @param call The function. It must be called once, at once.
   * @returns What it returns.
   */
  run?<Result>(call: () => Result): Result;
  /**
   * The span is over.
   *
   * @param failure The code of the error, `"ERROR"` if it has none; `undefined` if all went well.
   */
  end(failure: string | undefined): void;
}

/** A place in a trace, in the form of the W3C's Trace Context. */
export interface TraceContext {
  /** Version, trace, span and flags, in hexadecimal digits: 55 characters. */
  readonly traceparent: string;
  /** What else tracing systems want to know: at most 512 characters. */
  readonly tracestate?: string;
}

/** What the parts of a provider report to. It never throws. */
export interface TelemetrySink {
  /** Whether anybody listens. If not, no event need be made. */
  readonly isEnabled: boolean;
  /**
   * Tells of an event.
   *
   * @param event The event.
   */
  emit(event: TelemetryEvent): void;
  /**
   * Begins a span.
   *
   * @param start What it stands for.
   * @returns The span; `undefined` if nobody wants it. Nothing of it throws, but for what it runs.
   */
  startSpan(start: SpanStart): Required<TelemetrySpan> | undefined;
}

/** Something that has happened. No event names an actor: there are too many of them to count by. */
export type TelemetryEvent =
  | CommitEvent
  | BackpressureEvent
  | ReadEvent
  | SnapshotSavedEvent
  | SnapshotLoadedEvent
  | TruncationEvent
  | CollectionEvent
  | RecoveryEvent
  | AskEvent
  | DeliveryEvent
  | BackupEvent;

/** The storage was given a commit, and it has ended. */
export interface CommitEvent {
  /** Tells it from other events. */
  readonly type: "commit";
  /**
   * - `"committed"`: everything is durable.
   * - `"conflict"`: another process was faster, and it is tried again. What belongs to no journal,
   *   such as snapshots, is durable.
   * - `"failed"`: nothing is stored. After `STORAGE_FULL` its parts are tried one by one.
   */
  readonly outcome: "committed" | "conflict" | "failed";
  /** The code of the error, `"ERROR"` if it has none; `undefined` if all went well. */
  readonly failure: string | undefined;
  /** How long the storage took, in milliseconds. */
  readonly durationMs: number;
  /** How many calls of `append` and `appendBatch` it carried. */
  readonly appends: number;
  /** How many messages. */
  readonly messages: number;
  /** How many bytes of encoded messages, with their metadata. */
  readonly bytes: number;
  /** The journals of how many actors it changed. */
  readonly actors: number;
  /** How many writes it carried that belong to no journal, such as snapshots. */
  readonly writes: number;
  /**
   * How long the oldest of its messages had waited when it began, in milliseconds; 0 if it carried
   * none.
   */
  readonly waitMs: number;
}

/** An append found no room among what is pending. */
export interface BackpressureEvent {
  /** Tells it from other events. */
  readonly type: "backpressure";
  /** Whether it waits for room, or was refused with `BACKPRESSURE`. */
  readonly outcome: "waiting" | "refused";
  /** The kind of its actor, `""` if it has none. */
  readonly kind: string;
  /** How many messages it has. */
  readonly messages: number;
  /** How many bytes of encoded messages. */
  readonly bytes: number;
}

/** A page of a journal was read, for a replay or by any other read. */
export interface ReadEvent {
  /** Tells it from other events. */
  readonly type: "read";
  /** The kind of the actor, `""` if it has none. */
  readonly kind: string;
  /** How many entries the page has. */
  readonly messages: number;
  /** How long it took to read it, without decoding its messages, in milliseconds. */
  readonly durationMs: number;
}

/** A snapshot was saved, or could not be saved. */
export interface SnapshotSavedEvent {
  /** Tells it from other events. */
  readonly type: "snapshot-saved";
  /** The kind of the actor, `""` if it has none. */
  readonly kind: string;
  /** How many bytes the record of the snapshot has: the encoded state, and a few more. */
  readonly bytes: number;
  /** How long that took, in milliseconds. */
  readonly durationMs: number;
  /** The code of the error, `"ERROR"` if it has none; `undefined` if all went well. */
  readonly failure: string | undefined;
}

/** A snapshot was loaded. */
export interface SnapshotLoadedEvent {
  /** Tells it from other events. */
  readonly type: "snapshot-loaded";
  /** The kind of the actor, `""` if it has none. */
  readonly kind: string;
  /** How many bytes the record of the snapshot has: the encoded state, and a few more. */
  readonly bytes: number;
  /** How long that took, in milliseconds. */
  readonly durationMs: number;
  /** How long ago it was saved, in milliseconds, by the clock of this machine; at least 0. */
  readonly ageMs: number;
}

/** Entries were truncated. */
export interface TruncationEvent {
  /** Tells it from other events. */
  readonly type: "truncation";
  /** The kind of the actor, `""` if it has none. */
  readonly kind: string;
  /** How many entries are no longer in the journal. */
  readonly messages: number;
}

/** A piece of the log was collected, or could not be, and is tried again. */
export interface CollectionEvent {
  /** Tells it from other events. */
  readonly type: "collection";
  /** The code of the error, `"ERROR"` if it has none; `undefined` if all went well. */
  readonly failure: string | undefined;
  /** How many bytes that wrote, 0 if it could not be collected. */
  readonly bytes: number;
}

/** A stateful actor was recovered, or could not be. */
export interface RecoveryEvent {
  /** Tells it from other events. */
  readonly type: "recovery";
  /** The kind of the actor. */
  readonly kind: string;
  /** The code of the error, `"ERROR"` if it has none; `undefined` if all went well. */
  readonly failure: string | undefined;
  /** How many entries were replayed. */
  readonly messages: number;
  /** Whether the replay began with a snapshot. */
  readonly hasSnapshot: boolean;
  /** How long that took, in milliseconds. */
  readonly durationMs: number;
}

/** A stateful actor has answered, or failed to. */
export interface AskEvent {
  /** Tells it from other events. */
  readonly type: "ask";
  /** The kind of the actor. */
  readonly kind: string;
  /** The code of the error, `"ERROR"` if it has none; `undefined` if all went well. */
  readonly failure: string | undefined;
  /** How long the caller waited, in milliseconds. */
  readonly durationMs: number;
}

/** An attempt to deliver an effect of the outbox has ended. */
export interface DeliveryEvent {
  /** Tells it from other events. */
  readonly type: "delivery";
  /** The kind of the actor. */
  readonly kind: string;
  /** Whether it was delivered, is tried again, or was given up and is a dead letter now. */
  readonly outcome: "delivered" | "retry" | "dead-letter";
  /** Which attempt it was, beginning with 1. */
  readonly attempt: number;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
}

/** A backup was made, or could not be made. */
export interface BackupEvent {
  /** Tells it from other events. */
  readonly type: "backup";
  /**
   * The code of the error, `"ERROR"` if it has none, as if it was aborted; `undefined` if all went
   * well.
   */
  readonly failure: string | undefined;
  /** How many bytes of data the backup has, 0 if there is none. */
  readonly bytes: number;
  /** How long that took, with verifying it, in milliseconds. */
  readonly durationMs: number;
}
