// Tests a behavior, and does not wait for what comes of it.
import { commandSourced } from "../../../mod.ts";
import { behaviorTest } from "../../../testing/mod.ts";
import { readJob } from "../../processes/job.ts";

const { expected } = readJob<{ expected: number }>();
const sum = commandSourced({
  initialState: 0,
  handle: (sum: number, add: number) => ({ state: sum + add }),
});
behaviorTest(sum).given().when(1).thenState(expected);
