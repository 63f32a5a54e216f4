/**
 * Small words for the cases about snapshots.
 *
 * @module
 */

import type { ProviderOptions } from "../../../core/ports/provider.ts";
import type { SnapshotStore, SnapshotStoreOptions } from "../../../core/ports/snapshot_store.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { type Within, withProvider, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";

/** What a case about snapshots may use. */
export interface SnapshotScene {
  readonly provider: PersistenceProvider;
  readonly storage: Storage;
}

/** What runs with a snapshot store. */
export type SnapshotRun = (
  snapshots: SnapshotStore<unknown>,
  scene: SnapshotScene,
) => Promise<void>;

/** Makes a snapshot store on a fresh storage. */
export function withSnapshots(
  options: SnapshotStoreOptions = {},
  providerOptions: ProviderOptions = {},
): Within<SnapshotRun> {
  return (factory, run) =>
    withProvider(providerOptions)(
      factory,
      (provider, storage) => run(provider.createSnapshotStore(options), { provider, storage }),
    );
}

/** What runs with a snapshot store on a storage that is observed, or fails. */
export type ObservedSnapshotRun = (
  snapshots: SnapshotStore<unknown>,
  storage: ObservedStorage,
  provider: PersistenceProvider,
) => Promise<void>;

/** Makes a snapshot store on a fresh storage that can be watched, held back and made to fail. */
export const withObservedSnapshots: Within<ObservedSnapshotRun> = (factory, run) =>
  withStorage(factory, async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    await run(provider.createSnapshotStore(), storage, provider);
  });

/** The sequence numbers of the snapshots that are kept, the newest first. */
export async function keptOf(
  snapshots: SnapshotStore<unknown>,
  actorId = "a",
): Promise<number[]> {
  const kept: number[] = [];
  for (let maxSequenceNumber = Number.MAX_SAFE_INTEGER; maxSequenceNumber >= 0;) {
    const snapshot = await snapshots.getLatestSnapshot(actorId, { maxSequenceNumber });
    if (!snapshot) break;
    kept.push(snapshot.sequenceNumber);
    maxSequenceNumber = snapshot.sequenceNumber - 1;
  }
  return kept;
}

/** Saves snapshots with their sequence numbers as states, one after the other. */
export async function save(
  snapshots: SnapshotStore<unknown>,
  sequenceNumbers: readonly number[],
  actorId = "a",
): Promise<void> {
  for (const sequenceNumber of sequenceNumbers) {
    await snapshots.saveSnapshot(actorId, `state ${sequenceNumber}`, sequenceNumber);
  }
}
