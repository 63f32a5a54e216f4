import {
  describeActors,
  describeBatchedJournal,
  describeJournal,
  describeKinds,
  describeProvider,
  describeRemoval,
  describeSchema,
  describeSnapshotStore,
} from "../conformance/mod.ts";
import { test } from "../harness.ts";
import { lmdbFactory } from "../storage_factories.ts";

// All suites but those of storage_conformance_test.ts.
const options = { test, factory: await lmdbFactory() };
describeJournal(options);
describeBatchedJournal(options);
describeSnapshotStore(options);
describeProvider(options);
describeKinds(options);
describeSchema(options);
describeRemoval(options);
describeActors(options);
