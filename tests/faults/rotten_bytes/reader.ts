/**
 * Opens damaged copies of a database one after the other, reads and writes what can be read and
 * written, and reports how each went.
 *
 * @module
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LmdbPersistenceProvider, type LmdbVerification } from "../../../adapters/lmdb/mod.ts";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { randomFrom } from "../../conformance/random.ts";
import { readJob, report } from "../../processes/job.ts";
import { DAMAGED_ACTORS, type DamagedActor, damagedMessage, damagedState } from "./content.ts";
import { type Damage, damage } from "./damage.ts";
import { makeOneNewer } from "./newer.ts";

/** What the script takes. */
export interface DamageJob {
  /** The data file. */
  readonly original: string;
  /** Where the copies are made. */
  readonly directory: string;
  /** How each copy is damaged: by this seed. */
  readonly seeds: readonly number[];
  readonly verifyOnOpen: LmdbVerification;
}

/** What the script reports: first that it begins with a copy, then how it went. */
export interface DamageReport {
  readonly seed: number;
  readonly what: string;
  /** Each thing that happened: `right`, the code of an error, or what is wrong. */
  readonly outcomes?: readonly string[];
}

/** In every so many copies, one record is of a newer version, and else nothing is wrong. */
const NEWER_EVERY = 16;

const { original, directory, seeds, verifyOnOpen } = readJob<DamageJob>();
const originalBytes = new Uint8Array(await readFile(original));

for (const [index, seed] of seeds.entries()) {
  const random = randomFrom(seed);
  const isNewer = seed % NEWER_EVERY === 0;
  const damaged: Damage = isNewer
    ? { what: "a record of a newer version", bytes: originalBytes, records: 1, keys: 0 }
    : damage(originalBytes, random);
  const { what, bytes, refusal } = damaged;
  report({ seed, what } satisfies DamageReport);
  const path = join(directory, `${seed}-${index}`);
  await mkdir(path);
  await writeFile(join(path, "data.mdb"), bytes);
  if (isNewer) await makeOneNewer(path, random);
  const outcomes = new Set<string>();
  await tryAll(path, outcomes);
  const isRefused = refusal === undefined || verifyOnOpen === "none" ||
    outcomes.has(`open: ${refusal}`);
  if (!isRefused) outcomes.add(`not refused with ${refusal}`);
  const isUnsupported = [...outcomes].some((outcome) => outcome.endsWith(": UNSUPPORTED_FORMAT"));
  if (isNewer && !isUnsupported) outcomes.add("the newer record was not noticed");
  report({ seed, what, outcomes: [...outcomes] } satisfies DamageReport);
  await rm(path, { recursive: true });
}

async function tryAll(path: string, outcomes: Set<string>): Promise<void> {
  const appended = new Set<string>();
  const options = { path, durability: "none", verifyOnOpen } as const;
  await tryTo("open", outcomes, async () => {
    await using provider = await LmdbPersistenceProvider.open(options);
    await readAll(provider, appended, outcomes);
    await writeSome(provider, appended, outcomes);
    await readAll(provider, appended, outcomes);
  });
  await tryTo("open", outcomes, async () => {
    await using provider = await LmdbPersistenceProvider.open(options);
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
