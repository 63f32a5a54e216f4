/**
 * Opens damaged copies of a database one after the other, reads and writes what can be read and
 * written, and reports how each went.
 *
 * @module
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../core/errors.ts";
import type { PersistenceProvider } from "../../core/provider.ts";
import { randomFrom } from "../conformance/random.ts";
import { damage } from "./data_file_damage.ts";
import {
  DAMAGED_ACTORS,
  type DamagedActor,
  damagedMessage,
  damagedState,
} from "./support_damage_content.ts";
import { readJob, report } from "./support_job.ts";

/** What the script takes. */
export interface DamageJob {
  /** The data file. */
  readonly original: string;
  /** Where the copies are made. */
  readonly directory: string;
  /** How each copy is damaged: by this seed. */
  readonly seeds: readonly number[];
}

/** What the script reports: first that it begins with a copy, then how it went. */
export interface DamageReport {
  readonly seed: number;
  readonly what: string;
  /** Each thing that happened: `right`, the code of an error, or what is wrong. */
  readonly outcomes?: readonly string[];
}

const { original, directory, seeds } = readJob<DamageJob>();
const originalBytes = new Uint8Array(await readFile(original));

for (const seed of seeds) {
  const { what, bytes } = damage(originalBytes, randomFrom(seed));
  report({ seed, what } satisfies DamageReport);
  if (bytes.length === 0) {
    // The beginning of a new database, as far as anybody can tell.
    report({ seed, what, outcomes: ["empty"] } satisfies DamageReport);
    continue;
  }
  const path = join(directory, `${seed}`);
  await mkdir(path);
  await writeFile(join(path, "data.mdb"), bytes);
  const outcomes = new Set<string>();
  await tryAll(path, outcomes);
  report({ seed, what, outcomes: [...outcomes] } satisfies DamageReport);
  await rm(path, { recursive: true });
}

async function tryAll(path: string, outcomes: Set<string>): Promise<void> {
  const appended = new Set<string>();
  await tryTo("open", outcomes, async () => {
    await using provider = await LmdbPersistenceProvider.open({ path, durability: "none" });
    await readAll(provider, appended, outcomes);
    await writeSome(provider, appended, outcomes);
    await readAll(provider, appended, outcomes);
  });
  await tryTo("open", outcomes, async () => {
    await using provider = await LmdbPersistenceProvider.open({ path, durability: "none" });
    await readAll(provider, appended, outcomes);
  });
}

async function readAll(
  provider: PersistenceProvider,
  appended: ReadonlySet<string>,
  outcomes: Set<string>,
): Promise<void> {
  for (const actor of DAMAGED_ACTORS) {
    const count = actor.count + (appended.has(actor.actorId) ? 1 : 0);
    await tryTo("read", outcomes, () => expectJournal(provider, { ...actor, count }));
    await tryTo("load", outcomes, () => expectSnapshot(provider, actor));
  }
}

async function expectJournal(
  provider: PersistenceProvider,
  actor: DamagedActor,
): Promise<string> {
  const { actorId, first, count } = actor;
  const journal = provider.createMessageJournal<string>();
  const highest = await journal.getHighestSequenceNumber(actorId);
  if (highest !== count - 1) return `highest of ${actorId} is ${highest}`;
  const entries = await journal.readFrom(actorId, 0);
  if (entries.length !== count - first) return `${actorId} has ${entries.length} entries`;
  for (const [index, { sequenceNumber, message }] of entries.entries()) {
    if (sequenceNumber !== first + index) return `${actorId} has ${sequenceNumber}`;
    if (message !== damagedMessage(actor, sequenceNumber)) return `${actorId} has another message`;
  }
  return "right";
}

async function expectSnapshot(
  provider: PersistenceProvider,
  actor: DamagedActor,
): Promise<string> {
  const { actorId, snapshots } = actor;
  const latest = await provider.createSnapshotStore<string>().getLatestSnapshot(actorId);
  const expected = snapshots[snapshots.length - 1];
  if (latest?.sequenceNumber !== expected) {
    return `snapshot of ${actorId} is the one at ${latest?.sequenceNumber}, not ${expected}`;
  }
  if (expected === undefined || latest?.state === damagedState(actor, expected)) return "right";
  return `snapshot of ${actorId} is wrong at ${expected}`;
}

async function writeSome(
  provider: PersistenceProvider,
  appended: Set<string>,
  outcomes: Set<string>,
): Promise<void> {
  const journal = provider.createMessageJournal<string>();
  for (const [index, actor] of DAMAGED_ACTORS.entries()) {
    if (index > 3 && index % 7 !== 0) continue;
    await tryTo("append", outcomes, async () => {
      const number = await journal.append(actor.actorId, damagedMessage(actor, actor.count));
      appended.add(actor.actorId);
      return number === actor.count ? "right" : `${actor.actorId} got ${number}`;
    });
  }
}

/** Notes what an action says, or the code of the error that it fails with. */
async function tryTo(
  attempt: string,
  outcomes: Set<string>,
  action: () => Promise<string | void>,
): Promise<void> {
  try {
    outcomes.add(await action() ?? "right");
  } catch (error) {
    if (!(error instanceof PersistenceError)) throw error;
    outcomes.add(`${attempt}: ${error.code}`);
  }
}
