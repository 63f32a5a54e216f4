/**
 * Metadata of messages.
 *
 * @module
 */

/**
 * What stands beside a message: correlation and causation ids, a tenant, a trace context. A plain
 * object, at most 16 KiB when encoded.
 */
export type Metadata = Readonly<Record<string, unknown>>;
