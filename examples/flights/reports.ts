// What a worker reports to the demo: one line of JSON for each report, through a pipe.
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import { MessagePackCodec } from "../../mod.ts";
import type { AirportState } from "./flights.ts";

/**
 * The worker's end of the pipe. Not standard output: Node makes that one non-blocking, so that a
 * write fails while the pipe is full.
 */
export const REPORT_FD = 3;
const codec = new MessagePackCodec();

/** The promise of an append has resolved: the message is on disk. */
export interface Acknowledgement {
  readonly type: "acknowledged";
  readonly airport: string;
  readonly sequenceNumber: number;
  /** Its place in the file. */
  readonly index: number;
  /** How many appends were called and had not resolved at this moment. */
  readonly inFlight: number;
}

/** All airports have come back. */
export interface RecoveryReport {
  readonly type: "recovered";
  /** From before the database was opened. */
  readonly milliseconds: number;
  readonly fromSnapshot: number;
  readonly replayed: number;
  /** Encoded by {@linkcode encodeStates}. */
  readonly states: string;
}

/** All departures are in the journals. */
export interface CompletionReport {
  readonly type: "completed";
  /** Encoded by {@linkcode encodeStates}. */
  readonly states: string;
}

/** What a worker reports. */
export type Report = RecoveryReport | Acknowledgement | CompletionReport;

/**
 * Writes a report, and returns when it is in the pipe: from then on it reaches the reader, whatever
 * happens to this process.
 */
export function writeReport(report: Report): void {
  let bytes = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(REPORT_FD, bytes));
}

/** Reads reports to the end of the pipe. Ignores half a line, which a killed process may leave. */
export async function* readReports(pipe: AsyncIterable<Uint8Array>): AsyncGenerator<Report> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of pipe) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const report: Report = JSON.parse(line);
      yield report;
    }
  }
}

/** JSON knows neither `Map` nor `Date`, the codec does. */
export function encodeStates(states: Map<string, AirportState>): string {
  return Buffer.from(codec.encode(states)).toString("base64");
}

/** Reverts {@linkcode encodeStates}. */
export function decodeStates(text: string): Map<string, AirportState> {
  // Only the worker writes it.
  return codec.decode(Buffer.from(text, "base64")) as Map<string, AirportState>;
}
