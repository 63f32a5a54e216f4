import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import { type AppendCall, messageOf } from "./calls.ts";
import type { StreamEnd } from "./case.ts";

/** What a stream may fail with on a storage that fails, or if its journal is closed. */
const FAILURES = ["STORAGE_FAILED", "STORAGE_FULL", "REOPEN_REQUIRED", "CLOSED", "TOO_LARGE"];

/**
 * Writes to a stream and ends it.
 *
 * @param writable The stream.
 * @param calls What is written, each as a message of its own.
 * @param end How it ends.
 * @returns What did not hold, or `undefined`.
 */
export async function runStream(
  writable: WritableStream<number>,
  calls: readonly AppendCall[],
  end: StreamEnd,
): Promise<string | undefined> {
  const writer = writable.getWriter();
  const ended = writer.closed.then(() => undefined, (error: unknown) => error);
  for (const call of calls) writer.write(messageOf(call, 0)).catch(ignore);
  // No number, so the codec refuses it. The type says numbers only.
  if (end === "unencodable") Reflect.apply(writer.write, writer, ["no number"]).catch(ignore);
  await (end === "aborted" ? writer.abort(new Error("aborted")) : writer.close()).catch(ignore);
  return problemOf(calls, end, await ended);
}

/** What a stream wrote is there in order and without a gap; all of it if it was closed. */
function problemOf(
  calls: readonly AppendCall[],
  end: StreamEnd,
  error: unknown,
): string | undefined {
  const places = calls.map(({ committedAt }) => committedAt);
  const durable = places.filter((place) => place !== undefined);
  const isPrefix = durable.every((place, index) =>
    places[index] === place && place > (durable[index - 1] ?? -1)
  );
  if (!isPrefix) return `a stream has its messages at ${places}`;
  const isUnencodable = error instanceof PersistenceError && error.code === "UNENCODABLE";
  const mustBeWhole = error === undefined || isUnencodable;
  if (mustBeWhole && durable.length < calls.length) {
    return `a stream that ended with ${error} has ${durable.length} of ${calls.length} messages`;
  }
  if (error === undefined) {
    return end === "closed" ? undefined : `a stream was ${end} without error`;
  }
  if (isUnencodable) return end === "unencodable" ? undefined : `a stream failed: ${error}`;
  if (error instanceof PersistenceError) {
    return FAILURES.includes(error.code) ? undefined : `a stream failed: ${error}`;
  }
  return end === "aborted" ? undefined : `a stream failed: ${error}`;
}

function ignore(): void {
  // The outcome of the stream tells.
}
