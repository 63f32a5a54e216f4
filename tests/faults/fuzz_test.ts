import { describeFault } from "./fault_test_support.ts";
import { fuzz } from "./fuzz.ts";

await describeFault(fuzz);
