import { writeSync } from "node:fs";
import process from "node:process";

/**
 * What this process was started to do.
 *
 * @typeParam Job What the script takes.
 * @returns The job.
 */
export function readJob<Job>(): Job {
  // The tests and their scripts agree on it.
  return JSON.parse(process.argv[2] ?? "{}") as Job;
}

/**
 * Reports to the test that started this process. When it returns, the report is in the pipe, so
 * that it is not lost if the process is killed then.
 *
 * @param report Something that JSON can express.
 */
export function report(report: unknown): void {
  let rest: Uint8Array = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSome(rest));
}

/** Writes as much as the pipe takes. */
function writeSome(bytes: Uint8Array): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    // The pipe is full until the test reads on.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}

/** Resolves when the test lets this process go on. */
export async function permissionToGo(): Promise<void> {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
}
