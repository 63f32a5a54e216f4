import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { type Random, withRandom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { Child } from "./support_child.ts";
import { withDirectory } from "./support_directory.ts";
import { type Acknowledgement, ACTORS, messageOf, stateOf } from "./support_load_content.ts";

const ROUNDS = Number(process.env["CAJUN_KILL_ROUNDS"] ?? 10);
const SEED = process.env["CAJUN_KILL_SEED"];
const MAX_STARTING_MS = 300;
const MAX_WRITING_MS = 250;

/** Up to where an actor's journal and snapshots must reach. */
interface Durable {
  appended: number;
  truncated: number;
  saved: number;
}

test(`kill: what was acknowledged survives ${ROUNDS} kills under load`, () =>
  withRandom(
    SEED === undefined ? undefined : Number(SEED),
    (random) =>
      withDirectory(async (path) => {
        const durable = new Map<string, Durable>();
        for (const actorId of ACTORS) {
          durable.set(actorId, { appended: -1, truncated: 0, saved: -1 });
        }
        let acknowledgements = 0;
        for (let round = 0; round < ROUNDS; round++) {
          for (const acknowledgement of await loadAndKill(path, random, round)) {
            acknowledgements++;
            note(durable, acknowledgement);
          }
          await verify(path, durable, `round ${round}`);
        }
        assert.ok(acknowledgements > 0, "nothing was acknowledged");
      }),
  ));

/** Everything that a process acknowledged before it was killed. */
async function loadAndKill(
  path: string,
  random: Random,
  round: number,
): Promise<Acknowledgement[]> {
  await using child = new Child("support_load", { path });
  // Some are killed while they start, which is also when the database is created.
  if (round % 4 === 0) {
    await sleep(random.below(MAX_STARTING_MS));
  } else {
    assert.equal(await child.report(), "ready");
    await sleep(random.below(MAX_WRITING_MS));
  }
  const { signal, errors } = await child.kill();
  assert.equal(signal, "SIGKILL", errors);
  const acknowledgements: Acknowledgement[] = [];
  for (let report; (report = await child.next()) !== undefined;) {
    if (report !== "ready") acknowledgements.push(report as Acknowledgement);
  }
  return acknowledgements;
}

function note(
  durable: ReadonlyMap<string, Durable>,
  { actorId, appended = -1, truncated = 0, saved = -1 }: Acknowledgement,
): void {
  const actor = durable.get(actorId);
  assert.ok(actor, actorId);
  actor.appended = Math.max(actor.appended, appended);
  actor.truncated = Math.max(actor.truncated, truncated);
  actor.saved = Math.max(actor.saved, saved);
}

/** Checks what is there against what must be, appends to it, and takes it as the next round's. */
async function verify(
  path: string,
  durable: ReadonlyMap<string, Durable>,
  round: string,
): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  const journal = provider.createMessageJournal<string>();
  const snapshots = provider.createSnapshotStore<string>();
  for (const [actorId, actor] of durable) {
    const name = `${round}: actor ${actorId}`;
    const entries = await journal.readFrom(actorId, 0);
    const highest = await journal.getHighestSequenceNumber(actorId);
    assert.ok(highest >= actor.appended, `${name}: ${highest} instead of ${actor.appended}`);

    const first = entries[0]?.sequenceNumber ?? highest + 1;
    assert.ok(first >= actor.truncated, `${name}: begins at ${first}`);
    if (actorId !== "truncated") assert.equal(first, 0, name);
    assert.equal(entries.length, highest + 1 - first, name);
    for (const [index, { sequenceNumber, message }] of entries.entries()) {
      assert.equal(sequenceNumber, first + index, name);
      assert.equal(message, messageOf(actorId, sequenceNumber), `${name}: ${sequenceNumber}`);
    }

    const snapshot = await snapshots.getLatestSnapshot(actorId);
    const saved = snapshot?.sequenceNumber ?? -1;
    assert.ok(saved >= actor.saved, `${name}: snapshot ${saved} instead of ${actor.saved}`);
    if (snapshot) assert.equal(snapshot.state, stateOf(actorId, saved), name);

    const next = await journal.append(actorId, messageOf(actorId, highest + 1));
    assert.equal(next, highest + 1, name);
    Object.assign(actor, { appended: next, truncated: first, saved });
  }
}
