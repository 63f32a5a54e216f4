import { describeFaults } from "../describe_faults.ts";
import { exhaustion } from "./exhaustion.ts";

await describeFaults([exhaustion]);
