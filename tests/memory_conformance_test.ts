import { conformance } from "./conformance/mod.ts";
import { test } from "./harness.ts";
import { memoryFactory } from "./storage_factories.ts";

conformance({ test, factory: memoryFactory });
