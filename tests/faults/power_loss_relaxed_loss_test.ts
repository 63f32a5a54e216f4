import { describeFault } from "./fault_test_support.ts";
import { powerLossRelaxedLoss } from "./power_loss_relaxed_loss.ts";

await describeFault(powerLossRelaxedLoss);
