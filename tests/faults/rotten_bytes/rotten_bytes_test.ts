import { describeFaults } from "../describe_faults.ts";
import { rottenBytesFaults } from "./rotten_bytes.ts";

await describeFaults(rottenBytesFaults);
