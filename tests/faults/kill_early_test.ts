import { describeFault } from "./fault_test_support.ts";
import { killEarly } from "./kill_early.ts";

await describeFault(killEarly);
