// The process that ingests, and may be killed at any time. It goes on where the journals end.
import process from "node:process";
import { PersistenceError } from "../core/errors.ts";
import {
  addDeparture,
  type AirportState,
  emptyState,
  type Flight,
  readFlights,
} from "./demo_flights.ts";
import { openStores, recover, type Stores } from "./demo_recovery.ts";
import { encodeStates, writeReport } from "./demo_reports.ts";
import { openProvider } from "./demo_runtime.ts";

const SNAPSHOT_INTERVAL = 100;
const MAX_IN_FLIGHT = 512;

try {
  await work(process.argv[2] ?? "");
} catch (error) {
  console.error(error instanceof PersistenceError ? error.message : error);
  process.exitCode = 1;
}

async function work(directory: string): Promise<void> {
  const flights = await readFlights();
  const airports = new Set(flights.map(({ departure }) => departure.origin));

  const startedAt = performance.now();
  await using provider = await openProvider({ path: directory });
  const stores = openStores(provider);
  const { states, fromSnapshot, replayed } = await recover(stores, airports);
  const milliseconds = performance.now() - startedAt;
  writeReport({
    type: "recovered",
    milliseconds,
    fromSnapshot,
    replayed,
    states: encodeStates(states),
  });

  await ingest(stores, states, await withoutJournaled(stores, flights));
  writeReport({ type: "completed", states: encodeStates(states) });
}

/** A flight's place in its journal is known, so the end of the journal tells what is missing. */
async function withoutJournaled(
  { journal }: Stores,
  flights: readonly Flight[],
): Promise<Flight[]> {
  const highest = new Map<string, number>();
  for (const { departure: { origin } } of flights) {
    if (highest.has(origin)) continue;
    highest.set(origin, await journal.getHighestSequenceNumber(origin));
  }
  return flights.filter(({ departure, sequenceNumber }) =>
    sequenceNumber > (highest.get(departure.origin) ?? -1)
  );
}

/**
 * Keeps many appends in flight, so that they share flushes. They are called in the order of the
 * file, and so each journal gets its messages in that order.
 */
async function ingest(
  { journal, snapshots }: Stores,
  states: Map<string, AirportState>,
  flights: readonly Flight[],
): Promise<void> {
  const queue = flights.values();
  let inFlight = 0;

  const takeFromQueue = async () => {
    for (const { index, departure, sequenceNumber: expectedSequenceNumber } of queue) {
      const airport = departure.origin;
      inFlight++;
      // The expectation makes it impossible to append a departure twice.
      const sequenceNumber = await journal.append(airport, departure, { expectedSequenceNumber });
      inFlight--;
      writeReport({ type: "acknowledged", airport, sequenceNumber, index, inFlight });

      const state = states.get(airport) ?? emptyState();
      states.set(airport, state);
      addDeparture(state, departure);
      if (state.flights % SNAPSHOT_INTERVAL === 0) {
        await snapshots.saveSnapshot(airport, state, sequenceNumber);
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_IN_FLIGHT }, takeFromQueue));
}
