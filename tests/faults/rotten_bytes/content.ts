import { LmdbPersistenceProvider } from "../../../adapters/lmdb/mod.ts";

/** What an actor of the database that is damaged has. */
export interface DamagedActor {
  readonly actorId: string;
  /** The lowest sequence number that is retained. */
  readonly first: number;
  /** How many messages were appended. */
  readonly count: number;
  /** How long messages are at the most. */
  readonly messageBytes: number;
  /** The sequence numbers of the snapshots that are kept. */
  readonly snapshots: readonly number[];
  /** How long states are at the most. */
  readonly stateBytes: number;
}

/** What the database holds before it is damaged. */
export const DAMAGED_ACTORS: readonly DamagedActor[] = [
  actor("frames", { count: 90, messageBytes: 900, snapshots: [10, 50, 89] }),
  actor("large", { count: 5, messageBytes: 60_000 }),
  actor("truncated", { count: 40, messageBytes: 300, first: 25, snapshots: [24] }),
  actor("states", { count: 1, snapshots: [0, 1, 2], stateBytes: 30_000 }),
  actor("emptied", { count: 3, first: 3, snapshots: [2] }),
  ...Array.from({ length: 40 }, (_, index) => {
    const count = 1 + index % 5;
    // Of every third, nothing but the head is left.
    return actor(`small-${index}`, { count, first: index % 3 === 0 ? count : 0 });
  }),
];

/**
 * Writes the database.
 *
 * @param path Its directory.
 */
export async function writeDamagedDatabase(path: string): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({
    path,
    durability: "none",
    // So a part of it stands in frames and heads, and the rest in the log.
    maxHotBytes: 20_000,
  });
  const journal = provider.createMessageJournal<string>();
  const snapshots = provider.createSnapshotStore<string>();
  const rounds = Math.max(...DAMAGED_ACTORS.map(({ count }) => count));
  for (let number = 0; number < rounds; number++) {
    const current = DAMAGED_ACTORS.filter(({ count }) => number < count);
    await Promise.all(
      current.map((actor) => journal.append(actor.actorId, damagedMessage(actor, number))),
    );
  }
  for (const actor of DAMAGED_ACTORS) {
    await journal.truncateBefore(actor.actorId, actor.first);
    for (const number of actor.snapshots) {
      await snapshots.saveSnapshot(actor.actorId, damagedState(actor, number), number);
    }
  }
}

/** The message that an actor has under a sequence number. */
export function damagedMessage({ actorId, messageBytes }: DamagedActor, number: number): string {
  return `${actorId} ${number} ${"m".repeat((number * 7_919) % messageBytes)}`;
}

/** The state that an actor has under a sequence number. */
export function damagedState({ actorId, stateBytes }: DamagedActor, number: number): string {
  return `${actorId} ${number} ${"s".repeat((number * 15_013) % stateBytes)}`;
}

function actor(actorId: string, rest: Partial<DamagedActor>): DamagedActor {
  const usual = { first: 0, count: 1, messageBytes: 100, snapshots: [], stateBytes: 1_000 };
  return { actorId, ...usual, ...rest };
}
