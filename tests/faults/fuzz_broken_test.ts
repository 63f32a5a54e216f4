import { describeFault } from "./fault_test_support.ts";
import { fuzzBroken } from "./fuzz_broken.ts";

await describeFault(fuzzBroken);
