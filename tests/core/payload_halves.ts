import type { EncodedPayload } from "../../core/format/payload.ts";

/** A payload with these bytes, the first half of them in its header. */
export function halved(bytes: Uint8Array): EncodedPayload {
  const half = Math.floor(bytes.length / 2);
  return { header: bytes.subarray(0, half), bytes: bytes.subarray(half) };
}
