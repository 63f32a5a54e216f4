// A bank account with event sourcing. Commands are decided on the state; the events that this gives
// are journaled; the balance is what follows from them, also after a restart.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// In your project: "@cajun/persistence/node", "…/bun" or "…/deno", and "@cajun/persistence".
import { LmdbPersistenceProvider } from "../adapters/lmdb/mod.ts";
import { eventSourced, type PersistenceProvider, StatefulActor } from "../mod.ts";

type Command =
  | { type: "deposit"; cents: number }
  | { type: "withdraw"; cents: number }
  | { type: "balance" };

type Event = { type: "deposited"; cents: number } | { type: "withdrawn"; cents: number };

interface Account {
  balance: number;
}

/** Goes to the customer, at least once: a letter that was sent again has the same id. */
interface Letter {
  text: string;
}

const account = eventSourced<Account, Command, Event, number, Letter>({
  initialState: { balance: 0 },

  // Decides, and changes nothing. An error is the answer to whoever asked; nothing is journaled.
  handle({ balance }, command) {
    const reply = (account: Account) => account.balance;
    switch (command.type) {
      case "balance":
        return { reply };
      case "deposit":
        return { events: [{ type: "deposited", cents: command.cents }], reply };
      case "withdraw":
        if (command.cents > balance) throw new RangeError(`There are only ${balance} cents`);
        return {
          events: [{ type: "withdrawn", cents: command.cents }],
          effects: [{ text: `You took ${command.cents} cents` }],
          reply,
        };
    }
  },

  // Follows an event: now, and in every replay.
  apply({ balance }, event) {
    const change = event.type === "deposited" ? event.cents : -event.cents;
    return { balance: balance + change };
  },
});

function openAccount(
  provider: PersistenceProvider,
  letters: Map<string, Letter>,
): StatefulActor<Account, Command, number> {
  return StatefulActor.start({
    actorId: "account-1",
    journal: provider.createMessageJournal<Event>(),
    snapshots: provider.createSnapshotStore<Account>(),
    behavior: account,
    outbox: { deliver: (letter, { id }) => void letters.set(id, letter) },
  });
}

const path = await mkdtemp(join(tmpdir(), "bank-account-"));
const letters = new Map<string, Letter>();
{
  await using provider = await LmdbPersistenceProvider.open({ path });
  await using actor = openAccount(provider, letters);

  // An answer comes when everything that it is based on is on disk. Who need not know does not ask.
  assert.equal(await actor.ask({ type: "deposit", cents: 100_00 }), 100_00);
  await actor.tell({ type: "withdraw", cents: 30_00 });
  await assert.rejects(actor.ask({ type: "withdraw", cents: 80_00 }), RangeError);

  // Messages in flight share commits, and are handled in order all the same.
  const deposits = Array.from({ length: 1_000 }, () => actor.ask({ type: "deposit", cents: 1 }));
  assert.equal((await Promise.all(deposits)).at(-1), 80_00);
}

// The process has ended, a new one begins where it was.
{
  await using provider = await LmdbPersistenceProvider.open({ path });
  await using actor = openAccount(provider, letters);
  assert.equal(await actor.ask({ type: "balance" }), 80_00);
  const { replayed, snapshot } = await actor.recovered;
  console.log(`80.00, from a snapshot at ${snapshot?.sequenceNumber} and ${replayed} events`);
}
assert.deepEqual([...letters.values()], [{ text: "You took 3000 cents" }]);

await rm(path, { recursive: true });
