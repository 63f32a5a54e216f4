// The process that ingests, and may be killed at any time. It goes on from the end of the journals.
import process from "node:process";
import { PersistenceError } from "../../mod.ts";
import { type Airport, startAirport, sumUp } from "./airports.ts";
import { type AirportState, type Flight, readFlights } from "./flights.ts";
import { encodeStates, writeReport } from "./reports.ts";
import { openProvider } from "./runtime.ts";

const MAX_IN_FLIGHT = 512;

try {
  await work(process.argv[2] ?? "");
} catch (error) {
  console.error(error instanceof PersistenceError ? error.message : error);
  process.exitCode = 1;
}

async function work(directory: string): Promise<void> {
  const flights = await readFlights();
  const names = new Set(flights.map(({ departure }) => departure.origin));

  const startedAt = performance.now();
  await using provider = await openProvider({ path: directory });
  const airports = new Map([...names].map((name) => [name, startAirport(provider, name)]));
  const actors = [...airports.values()];
  const recoveries = await Promise.all(actors.map(({ recovered }) => recovered));
  const milliseconds = performance.now() - startedAt;
  const states = await statesOf(airports);
  writeReport({
    type: "recovered",
    milliseconds,
    ...sumUp(recoveries),
    states: encodeStates(states),
  });

  const isNew = ({ departure, sequenceNumber }: Flight) =>
    sequenceNumber >= (states.get(departure.origin)?.flights ?? 0);
  await ingest(airports, flights.filter(isNew));
  writeReport({ type: "completed", states: encodeStates(await statesOf(airports)) });
  await Promise.all(actors.map((actor) => actor.stop()));
}

/** The states of the airports that have seen a departure. */
async function statesOf(
  airports: ReadonlyMap<string, Airport>,
): Promise<Map<string, AirportState>> {
  const states = new Map<string, AirportState>();
  for (const [name, actor] of airports) {
    const state = await actor.ask("get state");
    if (state.flights > 0) states.set(name, state);
  }
  return states;
}

/**
 * Keeps many messages in flight, so that they share flushes. They are sent in the order of the
 * file, and so each airport gets its departures in that order.
 */
async function ingest(
  airports: ReadonlyMap<string, Airport>,
  flights: readonly Flight[],
): Promise<void> {
  const queue = flights.values();
  let inFlight = 0;

  const takeFromQueue = async () => {
    for (const flight of queue) {
      const { index, departure: { origin: airport }, sequenceNumber } = flight;
      inFlight++;
      await airports.get(airport)?.tell(flight);
      inFlight--;
      writeReport({ type: "acknowledged", airport, sequenceNumber, index, inFlight });
    }
  };
  await Promise.all(Array.from({ length: MAX_IN_FLIGHT }, takeFromQueue));
}
