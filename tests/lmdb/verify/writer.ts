/** Commits until the test lets it end. */

import { randomFrom } from "../../conformance/random.ts";
import { permissionToGo, readJob, report } from "../../processes/job.ts";
import { changeDatabases, openDatabases } from "./databases.ts";

/** What the script takes. */
export interface WriterJob {
  /** The directory of the environment. */
  readonly directory: string;
}

const { directory } = readJob<WriterJob>();
const binding = await openDatabases(directory);
const random = randomFrom(1);
let isOver = false;
const over = permissionToGo().then(() => {
  isOver = true;
});
let commits = 0;
for (; !isOver; commits++) {
  await changeDatabases(binding, random);
  if (commits === 0) report("writing");
}
await over;
await binding.root.close();
report(commits);
