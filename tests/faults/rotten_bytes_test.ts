import { describeFault } from "./fault_test_support.ts";
import { rottenBytes } from "./rotten_bytes.ts";

await describeFault(rottenBytes);
