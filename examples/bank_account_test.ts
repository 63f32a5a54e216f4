// The tests of the bank account. They need no actor: given these events, when this command comes, then
// that happens. On the way they find what would break an actor after a restart. In your project each
// of them stands in a test of your test runner.
import assert from "node:assert/strict";
// In your project: "@cajun/persistence" and "@cajun/persistence/testing".
import { StatefulActors } from "../mod.ts";
import { behaviorTest, TestDatabase } from "../testing/mod.ts";
import { account, type Letter } from "./bank_account/account.ts";

const { given } = behaviorTest(account);

await given({ type: "deposited", cents: 100_00 })
  .when({ type: "withdraw", cents: 30_00 })
  .thenEvents({ type: "withdrawn", cents: 30_00 })
  .thenEffects({ text: "You took 3000 cents" })
  .thenReply(70_00);

// Who asks for too much gets an error, and nothing has happened.
await given({ type: "deposited", cents: 100_00 })
  .when({ type: "withdraw", cents: 100_01 })
  .thenRejects("There are only 10000 cents")
  .thenNothing();

await given({ type: "deposited", cents: 100_00 }, { type: "withdrawn", cents: 30_00 })
  .when({ type: "balance" })
  .thenNothing()
  .thenReply(70_00);

// What needs an actor has one in memory, with a clock that the test moves: a letter that cannot be sent
// is sent later, although the process is killed meanwhile.
const database = new TestDatabase();
const sent: string[] = [];
const openAccounts = async (deliver: (letter: Letter) => void) =>
  StatefulActors.start({
    provider: await database.open(),
    kind: "account",
    behavior: account,
    outbox: { deliver },
    onProblem: ({ type }) => assert.equal(type, "delivery"),
  });

const killed = await openAccounts(() => {
  throw new Error("The post is on strike");
});
await killed.tell("1", { type: "deposit", cents: 100_00 });
await killed.tell("1", { type: "withdraw", cents: 30_00 });
await database.clock.advance(60_000);
database.crash();

const accounts = await openAccounts(({ text }) => void sent.push(text));
await database.clock.advance(60_000);
assert.deepEqual(sent, ["You took 3000 cents"]);
assert.equal(await accounts.ask("1", { type: "balance" }), 70_00);
await accounts.stop();
console.log("The account does what it should, and its letters arrive");
