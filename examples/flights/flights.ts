// The input of the demo: real departures, and what an airport knows about its own.
import { readFile } from "node:fs/promises";

/** A departure, as it is stored: a message in the journal of the airport that it starts from. */
export interface Departure {
  readonly date: Date;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** A departure and its places: in the file, and in the journal of its airport. */
export interface Flight {
  readonly index: number;
  readonly sequenceNumber: number;
  readonly departure: Departure;
}

/** The state of an airport. Delays are in minutes, and negative if a flight was early. */
export interface AirportState {
  flights: number;
  delayed: number;
  totalDelay: number;
  minDelay: number;
  maxDelay: number;
  first: Date | undefined;
  last: Date | undefined;
  destinations: Map<string, DestinationState>;
}

/** What an airport knows about its flights to one destination. */
export interface DestinationState {
  flights: number;
  totalDelay: number;
}

/** Reads the 20,000 departures that come with `vega-datasets`, in the order of the file. */
export async function readFlights(): Promise<Flight[]> {
  const url = new URL("../data/flights-20k.json", import.meta.resolve("vega-datasets"));
  const departures: (Omit<Departure, "date"> & { date: string })[] = JSON.parse(
    await readFile(url, "utf8"),
  );
  return numberFlights(
    departures.map((departure) => ({ ...departure, date: parseDate(departure.date) })),
  );
}

/** Gives every departure its place in the journal of its airport: the n-th one gets n - 1. */
export function numberFlights(departures: readonly Departure[]): Flight[] {
  const counts = new Map<string, number>();
  return departures.map((departure, index) => {
    const sequenceNumber = counts.get(departure.origin) ?? 0;
    counts.set(departure.origin, sequenceNumber + 1);
    return { index, sequenceNumber, departure };
  });
}

/** Groups flights by the airport that they start from. */
export function groupByAirport(flights: readonly Flight[]): Map<string, Flight[]> {
  const groups = new Map<string, Flight[]>();
  for (const flight of flights) {
    const group = groups.get(flight.departure.origin);
    if (group) group.push(flight);
    else groups.set(flight.departure.origin, [flight]);
  }
  return groups;
}

/** The state of an airport that has not seen a departure yet. */
export function emptyState(): AirportState {
  return {
    flights: 0,
    delayed: 0,
    totalDelay: 0,
    minDelay: Infinity,
    maxDelay: -Infinity,
    first: undefined,
    last: undefined,
    destinations: new Map(),
  };
}

/** Counts a departure, and returns the state, which it changes. */
export function addDeparture(state: AirportState, departure: Departure): AirportState {
  const { date, delay, destination } = departure;
  state.flights++;
  if (delay > 0) state.delayed++;
  state.totalDelay += delay;
  state.minDelay = Math.min(state.minDelay, delay);
  state.maxDelay = Math.max(state.maxDelay, delay);
  state.first ??= date;
  state.last = date;
  const known = state.destinations.get(destination) ?? { flights: 0, totalDelay: 0 };
  known.flights++;
  known.totalDelay += delay;
  state.destinations.set(destination, known);
  return state;
}

/** The states of all airports by a plain pass over flights: what recovery is measured against. */
export function statesAfter(flights: readonly Flight[]): Map<string, AirportState> {
  const states = new Map<string, AirportState>();
  for (const { departure } of flights) {
    const state = states.get(departure.origin) ?? emptyState();
    addDeparture(state, departure);
    states.set(departure.origin, state);
  }
  return states;
}

/** "2001/01/31 23:59", taken as UTC, so that it means the same wherever the demo runs. */
function parseDate(text: string): Date {
  return new Date(`${text.replaceAll("/", "-").replace(" ", "T")}Z`);
}
