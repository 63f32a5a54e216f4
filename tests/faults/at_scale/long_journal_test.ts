import { describeFaults } from "../describe_faults.ts";
import { longJournal } from "./long_journal.ts";

await describeFaults([longJournal]);
