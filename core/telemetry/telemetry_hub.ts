/**
 * Passes events on to those who listen, and keeps their errors away from what is observed.
 *
 * @module
 */

import type {
  SpanStart,
  Telemetry,
  TelemetryEvent,
  TelemetrySink,
  TelemetrySpan,
} from "../ports/telemetry.ts";
import { callAndForget } from "../util/settled.ts";
import { SafeSpan } from "./safe_span.ts";

/** What a provider reports events to. */
export class TelemetryHub implements TelemetrySink {
  /** How often a listener has thrown, or its promise rejected. */
  failures = 0;
  /** The error of the last such failure. */
  lastFailure: unknown;

  readonly #listeners: readonly Telemetry[];
  /** Who makes spans. */
  readonly #tracer: Telemetry | undefined;
  readonly #fail = (error: unknown): void => {
    this.failures++;
    this.lastFailure = error;
  };

  /** @param listeners Who listens. */
  constructor(listeners: readonly Telemetry[]) {
    this.#listeners = listeners;
    this.#tracer = listeners.find((listener) => listener.startSpan !== undefined);
  }

  /** Whether anybody listens. */
  get isEnabled(): boolean {
    return this.#listeners.some((listener) => this.#wants(listener));
  }

  /** See {@linkcode TelemetrySink.emit}. */
  emit(event: TelemetryEvent): void {
    for (const listener of this.#listeners) {
      if (this.#wants(listener)) callAndForget(() => listener.onEvent(event), this.#fail);
    }
  }

  /** See {@linkcode TelemetrySink.startSpan}. */
  startSpan(start: SpanStart): Required<TelemetrySpan> | undefined {
    const tracer = this.#tracer;
    if (!tracer || !this.#wants(tracer)) return undefined;
    try {
      const span = tracer.startSpan?.(start);
      return span && new SafeSpan(span, this.#fail);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #wants(listener: Telemetry): boolean {
    try {
      return listener.isEnabled ?? true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }
}

/** For parts that nobody watches over. */
export const NO_TELEMETRY: TelemetrySink = {
  isEnabled: false,
  emit() {},
  startSpan: () => undefined,
};

/**
 * Ends a span when a promise settles.
 *
 * @param span The span.
 * @param promise The promise, which the caller must take from here.
 * @returns The same, settled.
 */
export async function endingWith<Result>(
  span: TelemetrySpan,
  promise: Promise<Result>,
): Promise<Result> {
  try {
    const result = await promise;
    span.end(undefined);
    return result;
  } catch (error) {
    span.end(failureIn(error));
    throw error;
  }
}

/**
 * How an event tells of an error.
 *
 * @param error The error.
 * @returns Its code, `"ERROR"` if it has none.
 */
export function failureIn(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error && error.code;
  return typeof code === "string" ? code : "ERROR";
}
