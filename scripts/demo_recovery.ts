// How an actor comes back: its latest snapshot, and the messages that its journal has after it.
import type { MessageJournal } from "../core/journal.ts";
import type { PersistenceProvider } from "../core/provider.ts";
import type { SnapshotStore } from "../core/snapshots.ts";
import { addDeparture, type AirportState, type Departure, emptyState } from "./demo_flights.ts";

/** Where airports keep what they know. */
export interface Stores {
  readonly journal: MessageJournal<Departure>;
  readonly snapshots: SnapshotStore<AirportState>;
}

/** What came back. */
export interface Recovery {
  readonly states: Map<string, AirportState>;
  /** How many airports had a snapshot. */
  readonly fromSnapshot: number;
  /** How many messages were replayed. */
  readonly replayed: number;
}

/** Opens the journal and the snapshots of all airports. */
export function openStores(provider: PersistenceProvider): Stores {
  return {
    journal: provider.createMessageJournal<Departure>(),
    snapshots: provider.createSnapshotStore<AirportState>(),
  };
}

/** Recovers airports from their latest snapshots and the messages after them. */
export async function recover(
  { journal, snapshots }: Stores,
  airports: Iterable<string>,
): Promise<Recovery> {
  const states = new Map<string, AirportState>();
  let fromSnapshot = 0;
  let replayed = 0;
  for (const airport of airports) {
    const snapshot = await snapshots.getLatestSnapshot(airport);
    const state = snapshot?.state ?? emptyState();
    const next = snapshot ? snapshot.sequenceNumber + 1 : 0;
    if (snapshot) fromSnapshot++;
    for await (const { message } of journal.replay(airport, next)) {
      addDeparture(state, message);
      replayed++;
    }
    if (state.flights > 0) states.set(airport, state);
  }
  return { states, fromSnapshot, replayed };
}
