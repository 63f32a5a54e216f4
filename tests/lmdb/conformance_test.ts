import { conformance } from "../conformance/mod.ts";
import { test } from "../harness.ts";
import { lmdbFactory } from "../storage_factories.ts";

conformance({ test, factory: await lmdbFactory() });
