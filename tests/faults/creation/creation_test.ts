import { describeFaults } from "../describe_faults.ts";
import { creation } from "./creation.ts";

await describeFaults([creation]);
