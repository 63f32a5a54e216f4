// The demo: 20,000 real departures go into journals, one for each airport. The process that ingests
// them is killed at a random point, a new one recovers and finishes, and this one proves that
// nothing that was acknowledged is missing, and that every state is right.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { JournalEntry } from "../../mod.ts";
import {
  addDeparture,
  type AirportState,
  type Departure,
  emptyState,
  type Flight,
  groupByAirport,
  readFlights,
  statesAfter,
} from "./flights.ts";
import { type Ingestion, runWorker, type WorkerRecovery } from "./ingestion.ts";
import { parseOptions, USAGE } from "./options.ts";
import { bold, formatNumber, printHeading, printLine, ProgressBar } from "./output.ts";
import {
  findDifferences,
  findIncomplete,
  findLost,
  findMisplaced,
  type Journals,
  Proof,
  ProofError,
} from "./proof.ts";
import { KIND, recoverStates } from "./airports.ts";
import { printBusiest, printProof } from "./results.ts";
import { openProvider, runtimeLabel } from "./runtime.ts";

const MIN_KILL_FRACTION = 0.05;
const MAX_KILL_FRACTION = 0.95;

interface Input {
  readonly directory: string;
  readonly flights: readonly Flight[];
  readonly airports: ReadonlyMap<string, readonly Flight[]>;
}

// Ending by `exit` ends the worker, too, and removes the temporary database.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

process.exitCode = await main(process.argv.slice(2));

/** Runs the demo. Returns the exit code: 1 if a claim does not hold, 2 for wrong arguments. */
async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (!options) return 2;
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const proof = new Proof();
  try {
    await runDemo(options.data === undefined ? makeTemporary() : resolve(options.data), proof);
    printProof(proof);
    console.log(bold("\nEverything holds"));
    if (options.data !== undefined) console.log(`The database is kept in ${resolve(options.data)}`);
    return 0;
  } catch (error) {
    if (error instanceof ProofError) printProof(proof);
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

async function runDemo(directory: string, proof: Proof): Promise<void> {
  const flights = await readFlights();
  const input = { directory, flights, airports: groupByAirport(flights) };
  const sizes = `${formatNumber(flights.length)} departures from ${input.airports.size} airports`;
  console.log(bold(`${sizes} on ${runtimeLabel}`));
  console.log(
    "Every airport is an actor: a journal on LMDB, and a snapshot at every 100th message.",
  );

  const first = await ingestUntilKilled(input);
  const wasComplete = countFlights(first.recovery.states) === flights.length;
  const last = wasComplete ? first : await recoverAndFinish(input, first, proof);
  printBusiest(await proveResult(input, last, proof));
}

/** The first process. It is killed at a random point, unless it finds everything done. */
async function ingestUntilKilled(input: Input): Promise<Ingestion> {
  printHeading("Ingestion");
  let killPoint = 0;
  const ingestion = await ingest(input, (recovery) => {
    const journaled = countFlights(recovery.states);
    if (journaled > 0) printRecovery(recovery);
    killPoint = chooseKillPoint(input.flights.length - journaled);
    return killPoint;
  });

  const { acknowledgements, states } = ingestion;
  if (acknowledgements.length === 0) {
    printLine("Everything is in the journals already: nothing to ingest, nothing to kill");
  } else if (states) {
    printLine("It had finished before the kill reached it, so this run proves less than most");
  } else {
    const inFlight = acknowledgements.at(-1)?.inFlight ?? 0;
    const point = `acknowledgement ${formatNumber(killPoint)}, chosen at random`;
    printLine(`SIGKILL at ${point}, with ${formatNumber(inFlight)} appends in flight`);
  }
  return ingestion;
}

/** Checks what the killed process left before the new one starts, which could repair it. */
async function recoverAndFinish(
  input: Input,
  killed: Ingestion,
  proof: Proof,
): Promise<Ingestion> {
  const { flights, airports } = input;
  const { journals } = await readBack(input);
  const journaled = flights.filter(({ departure, sequenceNumber }) =>
    sequenceNumber < (journals.get(departure.origin)?.length ?? 0)
  );
  const acknowledged = formatNumber(killed.acknowledgements.length);
  const found = formatNumber(journaled.length);
  const added = formatNumber(journaled.length - countFlights(killed.recovery.states));
  printLine(`${acknowledged} messages had been acknowledged, ${added} had reached the journals`);
  proof.check(
    `All ${acknowledged} messages acknowledged before the kill are in the journals`,
    findLost(killed.acknowledgements, journals, flights),
  );
  proof.check(
    `The ${found} messages found after the kill are in order, with no gap and none twice`,
    findMisplaced(journals, airports),
  );

  printHeading("Recovery in a new process");
  const ingestion = await ingest(input, (recovery) => {
    printRecovery(recovery);
    return Infinity;
  });
  proof.check(
    `The states recovered from these ${found} messages equal a plain pass over them`,
    findDifferences(ingestion.recovery.states, statesAfter(journaled)),
  );
  return ingestion;
}

/** Returns the states of all airports, recovered once more. */
async function proveResult(
  input: Input,
  last: Ingestion,
  proof: Proof,
): Promise<Map<string, AirportState>> {
  const { flights, airports } = input;
  const { journals, states } = await readBack(input);
  const expected = statesAfter(flights);
  const acknowledged = last.acknowledgements.length;
  if (acknowledged > 0) {
    proof.check(
      `All ${
        formatNumber(acknowledged)
      } messages acknowledged by the new process are in the journals`,
      findLost(last.acknowledgements, journals, flights),
    );
  }
  proof.check(
    `All ${formatNumber(flights.length)} departures are in the journals, once each and in order`,
    [...findMisplaced(journals, airports), ...findIncomplete(journals, airports)],
  );
  const every = `All ${airports.size} states`;
  proof.check(
    `${every} of the last process equal a plain pass over the file, to the last field`,
    findDifferences(last.states ?? new Map(), expected),
  );
  proof.check(
    `${every} recovered anew, from snapshots and the messages after them, equal it too`,
    findDifferences(states, expected),
  );
  proof.check(
    `${every} recovered anew, from all messages and no snapshot, equal it too`,
    findDifferences(replayAll(journals), expected),
  );
  return states;
}

/**
 * Runs a worker and shows its progress. `killPointOf` says after how many acknowledgements to kill
 * it.
 */
async function ingest(
  { directory, flights }: Input,
  killPointOf: (recovery: WorkerRecovery) => number,
): Promise<Ingestion> {
  let progress: ProgressBar | undefined;
  let killPoint = Infinity;
  const ingestion = await runWorker(directory, {
    recovered(recovery) {
      killPoint = killPointOf(recovery);
      progress = new ProgressBar("messages", flights.length, countFlights(recovery.states));
    },
    acknowledged(count) {
      progress?.add(1);
      return count === killPoint;
    },
  });
  const { acknowledgements, seconds } = ingestion;
  if (acknowledgements.length > 0) {
    progress?.end();
    const perSecond = formatNumber(acknowledgements.length / seconds);
    printLine(`${perSecond} messages a second, each on disk before it was acknowledged`);
  }
  return ingestion;
}

/** Reads everything with a provider of its own, which cannot write. */
async function readBack(
  { directory, airports }: Input,
): Promise<{ journals: Journals; states: Map<string, AirportState> }> {
  await using provider = await openProvider({ path: directory, readOnly: true });
  const journal = provider.createMessageJournal<Departure>({ kind: KIND });
  const journals = new Map<string, JournalEntry<Departure>[]>();
  for (const airport of airports.keys()) {
    journals.set(airport, await journal.readFrom(airport, 0));
  }
  const { states } = await recoverStates(provider, airports.keys());
  return { journals, states };
}

function replayAll(journals: Journals): Map<string, AirportState> {
  const states = new Map<string, AirportState>();
  for (const [airport, entries] of journals) {
    const state = emptyState();
    for (const { message } of entries) addDeparture(state, message);
    states.set(airport, state);
  }
  return states;
}

function printRecovery({ states, milliseconds, fromSnapshot, replayed }: WorkerRecovery): void {
  const effort = `${fromSnapshot} snapshots loaded, ${formatNumber(replayed)} messages replayed`;
  printLine(`${states.size} airports recovered in ${formatNumber(milliseconds)} ms: ${effort}`);
}

function chooseKillPoint(remaining: number): number {
  const range = MAX_KILL_FRACTION - MIN_KILL_FRACTION;
  return Math.ceil(remaining * (MIN_KILL_FRACTION + range * Math.random()));
}

function countFlights(states: ReadonlyMap<string, AirportState>): number {
  return [...states.values()].reduce((sum, { flights }) => sum + flights, 0);
}

/** A directory that is removed however the demo ends. */
function makeTemporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "persistence-demo-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
