import { describeReopen, describeStorage } from "../conformance/mod.ts";
import { test } from "../harness.ts";
import { lmdbFactory } from "../storage_factories.ts";

// On the newest Node as well: what these suites try depends on native code.
const options = { test, factory: await lmdbFactory() };
describeStorage(options);
describeReopen(options);
