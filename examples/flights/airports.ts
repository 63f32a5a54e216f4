// The airports: each is an actor, event-sourced. Its events are its departures.
import {
  eventSourced,
  type PersistenceProvider,
  recover,
  type Recovery,
  StatefulActor,
} from "../../mod.ts";
import {
  addDeparture,
  type AirportState,
  type Departure,
  emptyState,
  type Flight,
} from "./flights.ts";

/** The kind of the actors: their journals stand apart from those of all others. */
export const KIND = "airport";

const SNAPSHOT_INTERVAL = 100;

/** A message to an airport: a departure, or a request for its state. */
export type AirportCommand = Flight | "get state";

/** An airport. */
export type Airport = StatefulActor<AirportState, AirportCommand, AirportState>;

const airport = eventSourced({
  initialState: emptyState,
  handle(state: AirportState, command: AirportCommand) {
    // The state goes on changing, so the answer is a copy.
    if (command === "get state") return { reply: (state: AirportState) => structuredClone(state) };
    const { departure, sequenceNumber } = command;
    // Its number makes it impossible to journal a departure twice, or to leave one out.
    if (sequenceNumber !== state.flights) {
      throw new Error(`${departure.origin} has ${state.flights} flights, not ${sequenceNumber}`);
    }
    return { events: [departure] };
  },
  apply: addDeparture,
});

/** Starts an airport. It recovers from its latest snapshot and the events after it. */
export function startAirport(provider: PersistenceProvider, name: string): Airport {
  return StatefulActor.start({
    provider,
    kind: KIND,
    actorId: name,
    behavior: airport,
    snapshotPolicy: { everyMessages: SNAPSHOT_INTERVAL, everyMs: Infinity },
  });
}

/** The recovered states of all airports. */
export interface Recovered {
  readonly states: Map<string, AirportState>;
  /** How many airports had a snapshot. */
  readonly fromSnapshot: number;
  /** How many events were replayed. */
  readonly replayed: number;
}

/** Recovers the states of airports, without starting them. */
export async function recoverStates(
  provider: PersistenceProvider,
  names: Iterable<string>,
): Promise<Recovered> {
  const journal = provider.createMessageJournal<Departure>({ kind: KIND });
  const snapshots = provider.createSnapshotStore<AirportState>({ kind: KIND });
  const initialState = emptyState;
  const states = new Map<string, AirportState>();
  const recoveries: Omit<Recovery<AirportState>, "state">[] = [];
  for (const actorId of names) {
    const { state, ...recovery } = await recover({
      journal,
      snapshots,
      actorId,
      initialState,
      apply: addDeparture,
    });
    recoveries.push(recovery);
    if (state.flights > 0) states.set(actorId, state);
  }
  return { states, ...sumUp(recoveries) };
}

/** Sums up what recoveries have loaded and replayed. */
export function sumUp(
  recoveries: readonly Omit<Recovery<AirportState>, "state">[],
): Omit<Recovered, "states"> {
  return {
    fromSnapshot: recoveries.filter(({ snapshot }) => snapshot).length,
    replayed: recoveries.reduce((sum, { replayed }) => sum + replayed, 0),
  };
}
