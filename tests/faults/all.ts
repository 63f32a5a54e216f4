import { actorsFaults } from "./actors/actors.ts";
import { longJournal } from "./at_scale/long_journal.ts";
import { manyActors } from "./at_scale/many_actors.ts";
import { creation } from "./creation/creation.ts";
import { dataFile } from "./data_file/data_file.ts";
import { tornFile } from "./data_file/torn_file.ts";
import { exhaustion } from "./exhaustion/exhaustion.ts";
import type { Fault } from "./fault.ts";
import { fuzzFaults } from "./fuzz/fuzz.ts";
import { killFaults } from "./kill/kill.ts";
import { openingFaults } from "./opening/opening.ts";
import { powerLossFaults } from "./power_loss/power_loss.ts";
import { randomCalls } from "./random_calls/random_calls.ts";
import { rottenBytesFaults } from "./rotten_bytes/rotten_bytes.ts";
import { simulationFaults } from "./simulation/simulation.ts";

/** All faults, in the order of the table. */
export const faults: readonly Fault[] = [
  ...powerLossFaults,
  ...killFaults,
  ...openingFaults,
  creation,
  ...simulationFaults,
  randomCalls,
  ...actorsFaults,
  manyActors,
  longJournal,
  exhaustion,
  ...rottenBytesFaults,
  dataFile,
  tornFile,
  ...fuzzFaults,
];
