import { describeFault } from "./fault_test_support.ts";
import { rottenBytesUnchecked } from "./rotten_bytes_unchecked.ts";

await describeFault(rottenBytesUnchecked);
