/**
 * Tells of what the actors of a kind do, if anybody listens.
 *
 * @module
 */

import type { Clock } from "../ports/clock.ts";
import type { DeliveryEvent, SpanStart, TelemetrySink, TelemetrySpan } from "../ports/telemetry.ts";
import { endingWith, failureIn } from "../telemetry/telemetry_hub.ts";
import type { RecoveredState } from "./strategy.ts";

/** Tells of what the actors of a kind do. */
export class ActorEvents {
  readonly #kind: string;
  readonly #clock: Clock;
  readonly #telemetry: TelemetrySink;

  /**
   * @param kind The kind of the actors.
   * @param clock The clock that durations are measured by.
   * @param telemetry What it reports to.
   */
  constructor(kind: string, clock: Clock, telemetry: TelemetrySink) {
    this.#kind = kind;
    this.#clock = clock;
    this.#telemetry = telemetry;
  }

  /** Begins a span of an actor. */
  startSpan(name: SpanStart["name"], actorId: string): Required<TelemetrySpan> | undefined {
    return this.#telemetry.startSpan({ name, kind: this.#kind, actorId });
  }

  /** Watches an answer, which the caller must take from here. */
  asked<Reply>(answer: Promise<Reply>): Promise<Reply> {
    if (!this.#telemetry.isEnabled) return answer;
    const tell = this.#timed((durationMs, failure: string | undefined) =>
      this.#telemetry.emit({ type: "ask", kind: this.#kind, failure, durationMs })
    );
    return answer.then(
      (reply) => {
        tell(undefined);
        return reply;
      },
      (error) => {
        tell(failureIn(error));
        throw error;
      },
    );
  }

  /** Watches a recovery. */
  async recovered<State>(
    actorId: string,
    recover: () => Promise<RecoveredState<State>>,
  ): Promise<RecoveredState<State>> {
    const span = this.startSpan("recovery", actorId);
    const recovering = span ? endingWith(span, span.run(recover)) : recover();
    if (!this.#telemetry.isEnabled) return await recovering;
    const tell = this.#timed((
      durationMs,
      failure: string | undefined,
      messages: number,
      hasSnapshot: boolean,
    ) => {
      const kind = this.#kind;
      this.#telemetry.emit({ type: "recovery", kind, failure, messages, hasSnapshot, durationMs });
    });
    try {
      const recovered = await recovering;
      const { replayed, snapshot } = recovered.recovery;
      tell(undefined, replayed, snapshot !== undefined);
      return recovered;
    } catch (error) {
      tell(failureIn(error), 0, false);
      throw error;
    }
  }

  /**
   * Begins to measure an attempt to deliver an effect.
   *
   * @returns Tells how it has ended.
   */
  delivering(): (outcome: DeliveryEvent["outcome"], attempt: number) => void {
    return this.#timed((durationMs, outcome: DeliveryEvent["outcome"], attempt: number) => {
      if (!this.#telemetry.isEnabled) return;
      this.#telemetry.emit({ type: "delivery", kind: this.#kind, outcome, attempt, durationMs });
    });
  }

  #timed<Facts extends unknown[]>(
    tell: (durationMs: number, ...facts: Facts) => void,
  ): (...facts: Facts) => void {
    const startedAtMs = this.#clock.monotonic();
    return (...facts) => tell(this.#clock.monotonic() - startedAtMs, ...facts);
  }
}
