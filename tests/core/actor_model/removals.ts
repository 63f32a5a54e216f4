/**
 * Actors that are deleted or erased while others live.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { isExpected } from "./fates.ts";
import type { ActorIndex, Removal } from "./history.ts";
import { IDS, KINDS, type World } from "./world.ts";

/** After so many turns of the event loop an actor does not leave, since something holds it up. */
const TURNS_TO_LEAVE = 30;

/** The process that removes. */
interface RemovingProcess {
  readonly provider: PersistenceProvider;
  /** Whether it has ended: what happens then counts for nothing. */
  isOver(): boolean;
  /** Resolves when an actor has left. */
  passivate(actor: ActorIndex): Promise<void>;
  /** Compares what is there of an actor that is not in memory, and says which number comes next. */
  look(actor: ActorIndex): Promise<number>;
  /** Something has gone wrong that must not. */
  fail(error: unknown): void;
}

/** The removals of one life of a process. */
export class Removals {
  readonly #world: World;
  readonly #process: RemovingProcess;
  readonly #leaving = new Set<string>();
  readonly #running = new Set<Promise<void>>();

  constructor(world: World, process: RemovingProcess) {
    this.#world = world;
    this.#process = process;
  }

  /** Whether an actor is being removed: nothing may be sent to it meanwhile. */
  isLeaving(actor: ActorIndex): boolean {
    return this.#leaving.has(keyOf(actor));
  }

  /**
   * Removes an actor, if it leaves soon. After that it begins anew.
   *
   * @returns When the removal begins, or it turns out that the actor does not leave.
   */
  begin(actor: ActorIndex, mode: Removal): Promise<void> {
    if (this.isLeaving(actor)) return Promise.resolve();
    this.#leaving.add(keyOf(actor));
    return new Promise((resolve) => {
      const running: Promise<void> = this.#remove(actor, mode, resolve)
        .catch((error) => this.#process.fail(error))
        .then(() => {
          resolve();
          this.#leaving.delete(keyOf(actor));
          this.#running.delete(running);
        });
      this.#running.add(running);
    });
  }

  /** Resolves when all have ended. */
  async end(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #remove(actor: ActorIndex, mode: Removal, begins: () => void): Promise<void> {
    const { clock, ledgerOf } = this.#world;
    const { provider, isOver, look } = this.#process;
    if (!await this.#leaves(actor) || isOver()) return;
    const next = await look(actor);
    if (isOver()) return;
    const ledger = ledgerOf(actor);
    ledger.removing(mode);
    begins();
    const options = { kind: KINDS[actor.kind] };
    try {
      if (mode === "delete") await provider.deleteActor(IDS[actor.id], options);
      else await provider.eraseActor(IDS[actor.id], options);
    } catch (error) {
      if (isOver()) return;
      if (!isExpected(error)) throw error;
      // Wholly or not at all: what is there says which.
      await look(actor);
      return;
    }
    // What is about to be delivered may still be.
    await setImmediate();
    if (isOver()) return;
    ledger.removed(next);
    // Nothing is decided within the millisecond in which another actor had the id.
    clock.setTime(new Date(clock.now() + 1));
  }

  /** Whether an actor leaves, and all that it was sent has been answered as far as it will be. */
  async #leaves(actor: ActorIndex): Promise<boolean> {
    let hasLeft = false;
    const leaves = this.#process.passivate(actor).then(() => void (hasLeft = true));
    leaves.catch((error) => {
      if (!isExpected(error)) this.#process.fail(error);
    });
    for (let left = TURNS_TO_LEAVE; left > 0 && !hasLeft; left--) await setImmediate();
    await setImmediate();
    return hasLeft;
  }
}

function keyOf({ kind, id }: ActorIndex): string {
  return `${kind} ${id}`;
}
