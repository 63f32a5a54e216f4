import { exhaustion } from "./exhaustion.ts";
import type { Fault } from "./fault.ts";
import { fuzz } from "./fuzz.ts";
import { fuzzBroken } from "./fuzz_broken.ts";
import { kill } from "./kill.ts";
import { killEarly } from "./kill_early.ts";
import { opening } from "./opening.ts";
import { powerLoss } from "./power_loss.ts";
import { powerLossEarly } from "./power_loss_early.ts";
import { powerLossRelaxed } from "./power_loss_relaxed.ts";
import { powerLossRelaxedLoss } from "./power_loss_relaxed_loss.ts";
import { powerLossUnsynced } from "./power_loss_unsynced.ts";
import { rottenBytes } from "./rotten_bytes.ts";
import { rottenBytesUnchecked } from "./rotten_bytes_unchecked.ts";
import { simulation } from "./simulation.ts";
import { simulationBroken } from "./simulation_broken.ts";

/** All faults, in the order of the table. */
export const faults: readonly Fault[] = [
  powerLoss,
  powerLossUnsynced,
  powerLossEarly,
  powerLossRelaxed,
  powerLossRelaxedLoss,
  kill,
  killEarly,
  opening,
  simulation,
  simulationBroken,
  exhaustion,
  rottenBytes,
  rottenBytesUnchecked,
  fuzz,
  fuzzBroken,
];
