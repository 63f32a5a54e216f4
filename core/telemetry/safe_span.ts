/**
 * A span of a listener, whose errors disturb nothing.
 *
 * @module
 */

import type { TelemetrySpan, TraceContext } from "../ports/telemetry.ts";
import { callAndForget } from "../util/settled.ts";

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const MAX_TRACESTATE = 512;

/** A span of a listener. */
export class SafeSpan implements Required<TelemetrySpan> {
  readonly context: TraceContext | undefined;
  readonly #span: TelemetrySpan;
  readonly #fail: (error: unknown) => void;

  /**
   * @param span The span.
   * @param fail Called with what it throws.
   */
  constructor(span: TelemetrySpan, fail: (error: unknown) => void) {
    this.#span = span;
    this.#fail = fail;
    this.context = this.#readContext();
  }

  /** See {@linkcode TelemetrySpan.run}. The function is called once, whatever the listener does. */
  run<Result>(call: () => Result): Result {
    let called: (() => Result) | undefined;
    const once = () => {
      if (called) return called();
      try {
        const result = call();
        called = () => result;
      } catch (error) {
        called = () => {
          throw error;
        };
      }
      return called();
    };
    try {
      this.#span.run?.(once);
    } catch (error) {
      // What the function has thrown is thrown below.
      if (!called) this.#fail(error);
    }
    return once();
  }

  /** See {@linkcode TelemetrySpan.end}. */
  end(failure: string | undefined): void {
    callAndForget(() => this.#span.end(failure), this.#fail);
  }

  /** What is stored must be what it is said to be. */
  #readContext(): TraceContext | undefined {
    try {
      const { traceparent, tracestate } = this.#span.context ?? {};
      if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return undefined;
      const isShort = typeof tracestate === "string" && tracestate.length <= MAX_TRACESTATE;
      return isShort && tracestate !== "" ? { traceparent, tracestate } : { traceparent };
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }
}
