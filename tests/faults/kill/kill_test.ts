import { describeFaults } from "../describe_faults.ts";
import { killFaults } from "./kill.ts";

await describeFaults(killFaults);
