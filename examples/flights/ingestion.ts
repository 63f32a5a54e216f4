// A worker as the demo sees it: what it reports, until it ends or is killed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { Readable } from "node:stream";
import type { AirportState } from "./flights.ts";
import { type Acknowledgement, decodeStates, readReports, REPORT_FD } from "./reports.ts";
import { workerArguments } from "./runtime.ts";

/** What happens while a worker works. */
export interface IngestionEvents {
  /** All airports have come back. */
  recovered(recovery: WorkerRecovery): void;
  /** A message is durable. Returns whether the worker is to be killed, at once. */
  acknowledged(count: number): boolean;
}

/** What a worker recovered. */
export interface WorkerRecovery {
  readonly milliseconds: number;
  readonly fromSnapshot: number;
  readonly replayed: number;
  readonly states: Map<string, AirportState>;
}

/** What a worker did. */
export interface Ingestion {
  readonly recovery: WorkerRecovery;
  /** Everything that it reported, also what was still in the pipe when it was killed. */
  readonly acknowledgements: readonly Acknowledgement[];
  /** From the end of its recovery to its last acknowledgement. */
  readonly seconds: number;
  /** The states that it ended with; `undefined` if it was killed before. */
  readonly states: Map<string, AirportState> | undefined;
}

/**
 * Runs a worker until it ends, or is killed.
 *
 * @throws {Error} If it ends in another way.
 */
export async function runWorker(directory: string, events: IngestionEvents): Promise<Ingestion> {
  const worker = spawn(process.execPath, workerArguments(directory), {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const pipe = worker.stdio[REPORT_FD];
  if (!(pipe instanceof Readable)) throw new Error("The worker has no pipe to report through");
  const ended = once(worker, "close");
  const kill = () => worker.kill("SIGKILL");
  process.once("exit", kill);

  const acknowledgements: Acknowledgement[] = [];
  let recovery: WorkerRecovery | undefined;
  let states: Map<string, AirportState> | undefined;
  let startedAt = 0;
  let acknowledgedAt = 0;
  let killed = false;
  for await (const report of readReports(pipe)) {
    if (report.type === "recovered") {
      recovery = { ...report, states: decodeStates(report.states) };
      events.recovered(recovery);
      startedAt = acknowledgedAt = performance.now();
    } else if (report.type === "acknowledged") {
      acknowledgements.push(report);
      acknowledgedAt = performance.now();
      if (events.acknowledged(acknowledgements.length)) killed = kill();
    } else {
      states = decodeStates(report.states);
    }
  }

  const [exitCode, signal] = await ended;
  process.off("exit", kill);
  const completed = exitCode === 0 && states !== undefined;
  if (!recovery || !(completed || (killed && signal === "SIGKILL"))) {
    throw new Error(`The worker ended with ${signal ?? `exit code ${exitCode}`}`);
  }
  const seconds = (acknowledgedAt - startedAt) / 1_000;
  return { recovery, acknowledgements, seconds, states };
}
