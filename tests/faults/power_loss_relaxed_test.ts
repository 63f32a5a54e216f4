import { describeFault } from "./fault_test_support.ts";
import { powerLossRelaxed } from "./power_loss_relaxed.ts";

await describeFault(powerLossRelaxed);
