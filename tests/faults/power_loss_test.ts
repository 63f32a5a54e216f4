import { describeFault } from "./fault_test_support.ts";
import { powerLoss } from "./power_loss.ts";

await describeFault(powerLoss);
