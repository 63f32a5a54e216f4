/**
 * Places in traces, as metadata of messages.
 *
 * @module
 */

import type { Metadata } from "../ports/metadata.ts";
import type { TraceContext } from "../ports/telemetry.ts";

/** How many bytes a place in a trace takes when it is encoded, at most. */
export const MAX_TRACE_CONTEXT_BYTES = 1_024;

/**
 * Adds a place in a trace to metadata. What the caller has given wins.
 *
 * @param metadata The metadata, if there is any.
 * @param context The place, if there is one.
 * @returns Both.
 */
export function withContext(
  metadata: Metadata | undefined,
  context: TraceContext | undefined,
): Metadata | undefined {
  return context ? { ...context, ...metadata } : metadata;
}

/**
 * How many bytes metadata may have on top of what the caller may give: he need not know of traces.
 *
 * @param metadata The metadata.
 * @returns The number of bytes.
 */
export function extraBytes(metadata: Metadata): number {
  return typeof metadata.traceparent === "string" ? MAX_TRACE_CONTEXT_BYTES : 0;
}
