/**
 * What all lives of a history have in common.
 *
 * @module
 */

import type { Storage } from "../../../core/ports/storage.ts";
import type { TestClock } from "../../../testing/test_clock.ts";
import type { Random } from "../../conformance/random.ts";
import type { ActorIndex, History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { Letters } from "./letters.ts";

/** The kinds of the actors. */
export const KINDS = ["first", "second"] as const;
/** Their ids, the same in both kinds. */
export const IDS = ["a", "b"] as const;

/** What all lives of a history have in common. */
export interface World {
  readonly disk: Storage;
  readonly history: History;
  readonly random: Random;
  readonly clock: TestClock;
  readonly letters: Letters;
  ledgerOf(actor: ActorIndex): Ledger;
}
