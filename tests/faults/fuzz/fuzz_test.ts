import { describeFaults } from "../describe_faults.ts";
import { fuzzFaults } from "./fuzz.ts";

await describeFaults(fuzzFaults);
