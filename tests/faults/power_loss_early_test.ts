import { describeFault } from "./fault_test_support.ts";
import { powerLossEarly } from "./power_loss_early.ts";

await describeFault(powerLossEarly);
