import assert from "node:assert/strict";
import fc from "fast-check";
import { Letter, Mailbox } from "../../core/actors/mailbox.ts";
import { countHeld } from "../garbage.ts";
import { test } from "../harness.ts";

const givenUp = new Error("given up");

function letterOf(message: number): Letter<number, number> {
  const letter = new Letter<number, number>(message, undefined, undefined, true);
  // Those that the test is interested in it awaits itself.
  letter.answer.catch(() => {});
  return letter;
}

test("mailbox: a letter that was given up is not handled, and does not count", async () => {
  const mailbox = new Mailbox<number, number>();
  const letters = [0, 1, 2].map(letterOf);
  for (const letter of letters) mailbox.push(letter);
  assert.equal(mailbox.length, 3);
  letters[1]?.giveUp(givenUp);
  letters[1]?.giveUp(new Error("again"));
  assert.equal(mailbox.length, 2);
  await assert.rejects(letters[1]?.answer ?? Promise.resolve(), givenUp);
  assert.equal(mailbox.take(), letters[0]);
  // It has begun, so it no longer waits here.
  letters[0]?.giveUp(givenUp);
  assert.equal(mailbox.length, 1);
  assert.equal(mailbox.take(), letters[2]);
  assert.equal(mailbox.length, 0);
  assert.equal(mailbox.take(), undefined);
});

test("mailbox: what is put back comes first, without what was given up meanwhile", () => {
  const mailbox = new Mailbox<number, number>();
  const letters = [0, 1, 2].map(letterOf);
  for (const letter of letters) mailbox.push(letter);
  const begun = [mailbox.take(), mailbox.take()].filter((task) => task !== undefined);
  letters[0]?.giveUp(givenUp);
  mailbox.putBack(begun);
  assert.equal(mailbox.length, 2);
  assert.equal(letters[1]?.hasBegun, false, "it begins anew");
  letters[1]?.giveUp(givenUp);
  assert.equal(mailbox.length, 1);
  assert.deepEqual(mailbox.takeAll(), [letters[2]]);
});

test("mailbox: letters that were given up do not stay, however many wait before them", async () => {
  const mailbox = new Mailbox<number, number>();
  const oldest = letterOf(0);
  mailbox.push(oldest);
  // Nothing but the mailbox refers to these when this function has returned.
  const giveMany = () =>
    Array.from({ length: 10_000 }, (_, index) => {
      const letter = letterOf(index);
      mailbox.push(letter);
      letter.giveUp(givenUp);
      return new WeakRef(letter);
    });
  const held = await countHeld(giveMany());
  assert.ok(held < 200, `${held} of 10,000 are still in memory`);
  assert.equal(mailbox.length, 1);
  assert.equal(mailbox.take(), oldest);
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ type: "push" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("give up" as const), index: fc.nat() }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "take" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "put back" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "take all" as const }) },
);

test("mailbox: it behaves like an array without what was given up", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
    const mailbox = new Mailbox<number, number>();
    const all: Letter<number, number>[] = [];
    let waiting: Letter<number, number>[] = [];
    let begun: Letter<number, number>[] = [];
    for (const step of steps) {
      if (step.type === "push") {
        const letter = letterOf(all.length);
        all.push(letter);
        waiting.push(letter);
        mailbox.push(letter);
      } else if (step.type === "give up") {
        const letter = all[step.index % Math.max(1, all.length)];
        letter?.giveUp(givenUp);
        waiting = waiting.filter((other) => other !== letter);
      } else if (step.type === "take") {
        const letter = waiting.shift();
        assert.equal(mailbox.take(), letter);
        if (letter) begun.push(letter);
      } else if (step.type === "put back") {
        mailbox.putBack(begun);
        waiting = [...begun.filter(({ hasEnded }) => !hasEnded), ...waiting];
        begun = [];
      } else {
        assert.deepEqual(mailbox.takeAll(), waiting);
        waiting = [];
      }
      assert.equal(mailbox.length, waiting.length);
    }
    assert.deepEqual(mailbox.takeAll(), waiting);
  }));
});
