import { describeFault } from "./fault_test_support.ts";
import { powerLossUnsynced } from "./power_loss_unsynced.ts";

await describeFault(powerLossUnsynced);
