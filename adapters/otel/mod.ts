/**
 * Metrics of a provider for OpenTelemetry. It needs the package `@opentelemetry/api`, and whatever
 * you export metrics with.
 *
 * @module
 */

export { OtelTelemetry, type OtelTelemetryOptions } from "./otel_telemetry.ts";
export type { ObservedActors, ObservedProvider, ObserveOptions } from "./gauges.ts";
