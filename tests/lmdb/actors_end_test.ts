import assert from "node:assert/strict";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { ProgramJob } from "./children/actors_program.ts";

/** What each program reports before it ends. One that does not end is killed. */
const PROGRAMS: Readonly<Record<ProgramJob["how"], readonly unknown[]>> = {
  "forgets to stop": [1],
  "leaves effects that wait": [1],
  "leaves a delivery under way": [1],
  "leaves a storage that fails": [1],
  "forgets a sweep": [1],
  "stops while a delivery is under way": [1, "delivered", "stopped"],
  "stops while a delivery hangs": [1, "stopped"],
  "stops while a handler hangs": [1, "rejected", "stopped"],
  "waits until nothing is open": [1, "delivered", "drained"],
};

for (const [how, expected] of Object.entries(PROGRAMS)) {
  test(`end of a program with actors: one that ${how}`, () =>
    withDirectory(async (path) => {
      await using child = new Child("lmdb/children/actors_program", { path, how });
      const reports: unknown[] = [];
      for (let report; (report = await child.next()) !== undefined;) reports.push(report);
      const { code, signal, errors } = await child.ended;
      assert.deepEqual([code, signal, errors], [0, null, ""]);
      assert.deepEqual(reports.map(String).toSorted(), expected.map(String).toSorted());
    }));
}
