/**
 * Passes events on to those who listen, and keeps their errors away from what is observed.
 *
 * @module
 */

import type { Telemetry, TelemetryEvent, TelemetrySink } from "../ports/telemetry.ts";
import { callAndForget } from "../util/settled.ts";

/** Where a provider tells what has happened. */
export class TelemetryHub implements TelemetrySink {
  /** How often a listener has thrown, or its promise rejected. */
  failures = 0;
  /** The error of the last such failure. */
  lastFailure: unknown;

  readonly #listeners: readonly Telemetry[];
  readonly #fail = (error: unknown): void => {
    this.failures++;
    this.lastFailure = error;
  };

  /** @param listeners Who listens. */
  constructor(listeners: readonly Telemetry[]) {
    this.#listeners = listeners;
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
export const NO_TELEMETRY: TelemetrySink = { isEnabled: false, emit() {} };

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
