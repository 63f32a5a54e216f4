// A bank account with event sourcing, on LMDB. bank_account/account.ts says what it does, and
// bank_account_test.ts tests that.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// In your project: "@cajun/persistence/node", "…/bun" or "…/deno", and "@cajun/persistence".
import { LmdbPersistenceProvider } from "../adapters/lmdb/mod.ts";
import { type PersistenceProvider, StatefulActor } from "../mod.ts";
import { type Account, account, type Command, type Letter } from "./bank_account/account.ts";

function openAccount(
  provider: PersistenceProvider,
  letters: Map<string, Letter>,
): StatefulActor<Account, Command, number> {
  return StatefulActor.start({
    provider,
    kind: "account",
    actorId: "1",
    behavior: account,
    outbox: { deliver: (letter, { id }) => void letters.set(id, letter) },
  });
}

const path = await mkdtemp(join(tmpdir(), "bank-account-"));
const letters = new Map<string, Letter>();
{
  await using provider = await LmdbPersistenceProvider.open({ path });
  await using actor = openAccount(provider, letters);

  // An answer comes once everything that it is based on is on disk. Use `tell` if you need none.
  assert.equal(await actor.ask({ type: "deposit", cents: 100_00 }), 100_00);
  await actor.tell({ type: "withdraw", cents: 30_00 });
  await assert.rejects(actor.ask({ type: "withdraw", cents: 80_00 }), RangeError);

  // Messages in flight share commits, and are still handled in order.
  const deposits = Array.from({ length: 1_000 }, () => actor.ask({ type: "deposit", cents: 1 }));
  assert.equal((await Promise.all(deposits)).at(-1), 80_00);
}

// The process has ended; a new one goes on from there.
{
  await using provider = await LmdbPersistenceProvider.open({ path });
  await using actor = openAccount(provider, letters);
  assert.equal(await actor.ask({ type: "balance" }), 80_00);
  const { replayed, snapshot } = await actor.recovered;
  console.log(`80.00, from a snapshot at ${snapshot?.sequenceNumber} and ${replayed} events`);
}
assert.deepEqual([...letters.values()], [{ text: "You took 3000 cents" }]);

await rm(path, { recursive: true });
