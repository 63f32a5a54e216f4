import { test } from "../harness.ts";

// Its tests pass, but nobody handles what one of them rejects.
test("one that leaves a rejected promise", async () => {
  Promise.reject(new Error("left alone"));
  await new Promise((resolve) => setTimeout(resolve, 10));
});
test("one after it", () => {});
