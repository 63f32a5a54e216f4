import { conformance } from "./conformance/mod.ts";
import { test } from "./harness.ts";
import { delayedFactory } from "./storage_factories.ts";

conformance({ test, factory: delayedFactory });
