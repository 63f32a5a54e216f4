import { describeFault } from "./fault_test_support.ts";
import { opening } from "./opening.ts";

await describeFault(opening);
