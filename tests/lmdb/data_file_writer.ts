/** Goes on committing until the test lets it end. */

import { randomFrom } from "../conformance/random.ts";
import { changeDatabases, openDatabases } from "./data_file_databases.ts";
import { permissionToGo, readJob, report } from "./support_job.ts";

/** Where it writes. */
export interface WriterJob {
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
