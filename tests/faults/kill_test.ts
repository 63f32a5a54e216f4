import { describeFault } from "./fault_test_support.ts";
import { kill } from "./kill.ts";

await describeFault(kill);
