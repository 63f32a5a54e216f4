import { describeFaults } from "../describe_faults.ts";
import { randomCalls } from "./random_calls.ts";

await describeFaults([randomCalls]);
