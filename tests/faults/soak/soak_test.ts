import assert from "node:assert/strict";
import { test } from "../../harness.ts";
import { soak } from "./soak.ts";

test("soak: a short run measures, kills, and loses nothing", async () => {
  let samples = 0;
  const result = await soak({
    seconds: 3,
    seed: 1,
    killEverySeconds: 1,
    onSample() {
      samples++;
    },
  });
  assert.ok(samples > 0, "nothing was measured");
  assert.ok(result.kills.length > 0, "nobody was killed");
  assert.ok(result.acknowledged > 0, "nothing was acknowledged");
});
