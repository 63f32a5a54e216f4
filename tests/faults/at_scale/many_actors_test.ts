import { describeFaults } from "../describe_faults.ts";
import { manyActors } from "./many_actors.ts";

await describeFaults([manyActors]);
