/**
 * Records the events of providers as metrics.
 *
 * @module
 */

import {
  type Attributes,
  context,
  isSpanContextValid,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  trace,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { checkOptions } from "../../core/errors/arguments.ts";
import type {
  CommitEvent,
  SpanStart,
  Telemetry,
  TelemetryEvent,
  TelemetrySpan,
  TraceContext,
} from "../../core/ports/telemetry.ts";
import type { OptionNames } from "../../core/util/option_names.ts";
import { observe, type ObservedProvider, type ObserveOptions } from "./gauges.ts";
import { type Instruments, makeInstruments } from "./instruments.ts";

/** The name of the meter and the tracer. */
const SCOPE = "@cajun/persistence";
const MS_PER_S = 1_000;

/** Options of {@linkcode OtelTelemetry}. */
export interface OtelTelemetryOptions {
  /**
   * What makes the meter.
   *
   * @default {metrics.getMeterProvider()}
   */
  meterProvider?: MeterProvider;
  /**
   * What makes the tracer.
   *
   * @default {trace.getTracerProvider()}
   */
  tracerProvider?: TracerProvider;
  /**
   * What all metrics and spans carry, to tell providers apart, such as `{ "cajun.store": "orders" }`. Each
   * value makes time series of its own, so there should be few: never the id of an actor.
   *
   * @default {{}}
   */
  attributes?: Readonly<Record<string, string | number | boolean>>;
}

const OPTION_NAMES: OptionNames<OtelTelemetryOptions> = {
  meterProvider: true,
  tracerProvider: true,
  attributes: true,
};

/**
 * Metrics and traces of a provider for OpenTelemetry. What they are called, and what to watch, is in the guide
 * [Operations](https://github.com/cajun/persistence/blob/main/docs/operations.md).
 *
 * @example Metrics of a provider
 * ```ts
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 * import { OtelTelemetry } from "@cajun/persistence/otel";
 *
 * const telemetry = new OtelTelemetry({ attributes: { "cajun.store": "doors" } });
 * await using provider = await MemoryPersistenceProvider.open({ telemetry });
 * using _gauges = telemetry.observe(provider);
 * await provider.createMessageJournal<string>().append("door-1", "opened");
 * ```
 */
export class OtelTelemetry implements Telemetry {
  readonly #meter: Meter;
  readonly #tracer: Tracer;
  readonly #attributes: Attributes;
  readonly #instruments: Instruments;

  /**
   * Makes the instruments.
   *
   * @param options Where metrics go, and what they carry.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is unknown.
   */
  constructor(options: OtelTelemetryOptions = {}) {
    checkOptions(options, "make telemetry", OPTION_NAMES);
    const {
      meterProvider = metrics.getMeterProvider(),
      tracerProvider = trace.getTracerProvider(),
      attributes = {},
    } = options;
    this.#meter = meterProvider.getMeter(SCOPE);
    this.#tracer = tracerProvider.getTracer(SCOPE);
    this.#attributes = { ...attributes };
    this.#instruments = makeInstruments(this.#meter);
  }

  /**
   * Observes what a provider has: what is pending, the log, the storage; and the actors and outboxes
   * that are named. They are looked at when metrics are collected.
   *
   * @param provider The provider.
   * @param options Its actors.
   * @returns Ends the observation when it is disposed of. That of a closed provider reports nothing.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is unknown.
   */
  observe(provider: ObservedProvider, options: ObserveOptions = {}): Disposable {
    return observe(this.#meter, provider, this.#attributes, options);
  }

  /**
   * Records an event.
   *
   * @param event The event.
   */
  onEvent(event: TelemetryEvent): void {
    const instruments = this.#instruments;
    switch (event.type) {
      case "commit":
        return this.#recordCommit(event);
      case "backpressure": {
        const { kind, outcome } = event;
        return instruments.heldBack.add(1, this.#of(kind, undefined, outcome));
      }
      case "read": {
        const attributes = this.#of(event.kind);
        instruments.readDuration.record(event.durationMs / MS_PER_S, attributes);
        return instruments.readMessages.add(event.messages, attributes);
      }
      case "snapshot-saved": {
        const { kind, failure, bytes, durationMs } = event;
        instruments.snapshotSaveDuration.record(durationMs / MS_PER_S, this.#of(kind, failure));
        return instruments.snapshotSize.record(bytes, this.#of(kind));
      }
      case "snapshot-loaded": {
        const attributes = this.#of(event.kind);
        instruments.snapshotLoadDuration.record(event.durationMs / MS_PER_S, attributes);
        return instruments.snapshotAge.record(event.ageMs / MS_PER_S, attributes);
      }
      case "truncation":
        return instruments.truncatedMessages.add(event.messages, this.#of(event.kind));
      case "collection": {
        const { failure, bytes } = event;
        if (failure === undefined) return instruments.collectedBytes.add(bytes, this.#attributes);
        return instruments.failedCollections.add(1, this.#of(undefined, failure));
      }
      case "recovery": {
        const { kind, failure, messages, durationMs } = event;
        const attributes = this.#of(kind, failure);
        instruments.recoveryDuration.record(durationMs / MS_PER_S, attributes);
        return instruments.recoveryMessages.record(messages, attributes);
      }
      case "ask": {
        const { kind, failure, durationMs } = event;
        return instruments.askDuration.record(durationMs / MS_PER_S, this.#of(kind, failure));
      }
      case "delivery": {
        const { kind, outcome, durationMs } = event;
        const attributes = this.#of(kind, undefined, outcome);
        return instruments.deliveryDuration.record(durationMs / MS_PER_S, attributes);
      }
      case "backup": {
        const { failure, bytes, durationMs } = event;
        instruments.backupDuration.record(durationMs / MS_PER_S, this.#of(undefined, failure));
        if (failure === undefined) instruments.backupSize.record(bytes, this.#attributes);
        return;
      }
    }
  }

  /**
   * Begins a span, a child of the one that is active.
   *
   * @param start What it stands for.
   * @returns The span; `undefined` if nobody traces.
   */
  startSpan({ name, kind, actorId }: SpanStart): TelemetrySpan | undefined {
    const attributes = {
      ...this.#of(kind),
      ...(actorId !== undefined && { "cajun.actor.id": actorId }),
    };
    const span = this.#tracer.startSpan(`cajun.persistence ${name}`, { attributes });
    // That of a tracer that does nothing.
    if (!isSpanContextValid(span.spanContext())) return undefined;
    const within = trace.setSpan(context.active(), span);
    return {
      context: placeOf(span),
      run: (call) => context.with(within, call),
      end(failure) {
        if (failure !== undefined) {
          span.setAttribute("error.type", failure);
          span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
        }
        span.end();
      },
    };
  }

  #recordCommit(event: CommitEvent): void {
    const { outcome, failure, durationMs, appends, messages, bytes, actors, writes } = event;
    const instruments = this.#instruments;
    instruments.commitDuration.record(
      durationMs / MS_PER_S,
      this.#of(undefined, failure, outcome),
    );
    if (outcome !== "committed") return;
    const attributes = this.#attributes;
    instruments.writes.add(writes, attributes);
    if (appends === 0) return;
    instruments.commitMessages.record(messages, attributes);
    instruments.commitActors.record(actors, attributes);
    instruments.commitSize.record(bytes, attributes);
    instruments.commitWait.record(event.waitMs / MS_PER_S, attributes);
    instruments.appends.add(appends, attributes);
    instruments.appendedMessages.add(messages, attributes);
    instruments.appendedBytes.add(bytes, attributes);
  }

  #of(kind?: string, failure?: string, outcome?: string): Attributes {
    return {
      ...this.#attributes,
      ...(kind !== undefined && { "cajun.actor.kind": kind }),
      ...(outcome !== undefined && { "cajun.outcome": outcome }),
      ...(failure !== undefined && { "error.type": failure }),
    };
  }
}

/** See https://www.w3.org/TR/trace-context/#traceparent-header-field-values. */
function placeOf(span: Span): TraceContext {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const flags = traceFlags.toString(16).padStart(2, "0");
  const traceparent = `00-${traceId}-${spanId}-${flags}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}
