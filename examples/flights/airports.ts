// The airports: each is an actor, event-sourced. Its events are its departures.
import {
  type Behavior,
  eventSourced,
  type MessageJournal,
  type PersistenceProvider,
  recover,
  type Recovery,
  type SnapshotStore,
  StatefulActor,
} from "../../mod.ts";
import {
  addDeparture,
  type AirportState,
  type Departure,
  emptyState,
  type Flight,
} from "./flights.ts";

const SNAPSHOT_INTERVAL = 100;

/** What an airport is told: of a departure, or to tell its state. */
export type AirportCommand = Flight | "tell state";

/** An airport. */
export type Airport = StatefulActor<AirportState, AirportCommand, AirportState>;

const airport: Behavior<AirportState, AirportCommand, Departure, AirportState> = eventSourced<
  AirportState,
  AirportCommand,
  Departure,
  AirportState
>({
  initialState: emptyState,
  handle(state, command) {
    // The state goes on changing, so the answer is a copy.
    if (command === "tell state") return { reply: (state) => structuredClone(state) };
    const { departure, sequenceNumber } = command;
    // Its number makes it impossible to journal a departure twice, or to leave one out.
    if (sequenceNumber !== state.flights) {
      throw new Error(`${departure.origin} has ${state.flights} flights, not ${sequenceNumber}`);
    }
    return { events: [departure] };
  },
  apply(state, departure) {
    addDeparture(state, departure);
    return state;
  },
});

/** Where airports keep what they know. */
export interface Stores {
  readonly journal: MessageJournal<Departure>;
  readonly snapshots: SnapshotStore<AirportState>;
}

/** Opens the journal and the snapshots of all airports. */
export function openStores(provider: PersistenceProvider): Stores {
  return {
    journal: provider.createMessageJournal<Departure>(),
    snapshots: provider.createSnapshotStore<AirportState>(),
  };
}

/** Starts an airport. It recovers from its latest snapshot and the events after it. */
export function startAirport(stores: Stores, name: string): Airport {
  return StatefulActor.start({
    ...stores,
    actorId: name,
    behavior: airport,
    snapshotPolicy: { everyMessages: SNAPSHOT_INTERVAL, everyMs: Infinity },
  });
}

/** What came back of all airports. */
export interface Recovered {
  readonly states: Map<string, AirportState>;
  /** How many airports had a snapshot. */
  readonly fromSnapshot: number;
  /** How many events were replayed. */
  readonly replayed: number;
}

/** Recovers the states of airports, without starting them. */
export async function recoverStates(stores: Stores, names: Iterable<string>): Promise<Recovered> {
  const states = new Map<string, AirportState>();
  const recoveries: Omit<Recovery<AirportState>, "state">[] = [];
  for (const actorId of names) {
    const { state, ...recovery } = await recover<AirportState, Departure>({
      ...stores,
      actorId,
      initialState: emptyState,
      apply(state, departure) {
        addDeparture(state, departure);
        return state;
      },
    });
    recoveries.push(recovery);
    if (state.flights > 0) states.set(actorId, state);
  }
  return { states, ...sumUp(recoveries) };
}

/** Sums up what recoveries took. */
export function sumUp(
  recoveries: readonly Omit<Recovery<AirportState>, "state">[],
): Omit<Recovered, "states"> {
  return {
    fromSnapshot: recoveries.filter(({ snapshot }) => snapshot).length,
    replayed: recoveries.reduce((sum, { replayed }) => sum + replayed, 0),
  };
}
