import { describeFaults } from "../describe_faults.ts";
import { actorsFaults } from "./actors.ts";

await describeFaults(actorsFaults);
