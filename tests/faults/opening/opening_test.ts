import { describeFaults } from "../describe_faults.ts";
import { openingFaults } from "./opening.ts";

await describeFaults(openingFaults);
