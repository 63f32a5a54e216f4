import { describeFaults } from "../describe_faults.ts";
import { powerLossFaults } from "./power_loss.ts";

await describeFaults(powerLossFaults);
