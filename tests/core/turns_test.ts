import assert from "node:assert/strict";
import { Turns } from "../../core/actors/turns.ts";
import { test } from "../harness.ts";

test("turns: a bounded number is under way at once, the others come in order", async () => {
  const turns = new Turns(3);
  const begun: number[] = [];
  let underWay = 0;
  let most = 0;
  await Promise.all(Array.from({ length: 20 }, async (_, index) => {
    const endTurn = await turns.next();
    begun.push(index);
    most = Math.max(most, ++underWay);
    for (let left = index % 4; left > 0; left--) await undefined;
    underWay--;
    endTurn();
  }));
  assert.deepEqual(begun, Array.from({ length: 20 }, (_, index) => index));
  assert.equal(most, 3);
});

test("turns: one that is ended twice frees one place only", async () => {
  const turns = new Turns(1);
  const endFirst = await turns.next();
  endFirst();
  endFirst();
  const endSecond = await turns.next();
  let isThird = false;
  const third = turns.next().then((endTurn) => {
    isThird = true;
    return endTurn;
  });
  endFirst();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(!isThird, "the second one is still under way");
  endSecond();
  (await third)();
});
