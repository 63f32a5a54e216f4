import { describeFault } from "./fault_test_support.ts";
import { exhaustion } from "./exhaustion.ts";

await describeFault(exhaustion);
