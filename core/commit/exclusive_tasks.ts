/**
 * Tasks that have an actor for themselves: none of its operations is under way meanwhile. What was
 * called before a task is committed first; what is called later waits for its end.
 *
 * @module
 */

import type { ActorQueue } from "./actor_queue.ts";
import type { AdmissionControl, Waiter } from "./admission_control.ts";
import type { Completions } from "./completions.ts";

/** A task of an actor. */
interface ExclusiveTask {
  /** The last call for the actor that was made before it. */
  readonly lastArrival: number;
  /** Carries it out. It never rejects. */
  readonly run: () => Promise<void>;
}

/** A task that has an actor for itself, or waits to. */
interface HeldActor {
  readonly task: ExclusiveTask;
  /** What was called after it, in call order. */
  readonly parked: Parked[];
}

type Parked = Waiter | ExclusiveTask;

/** What the tasks of a queue work with. */
export interface ExclusiveServices {
  /** Knows which operations wait for room. */
  readonly admission: AdmissionControl;
  /** Knows how many calls have not settled. */
  readonly completions: Completions;
  /** Makes everything that waits for an actor part of the next commit. */
  readonly makeDue: (actor: ActorQueue) => void;
  /** Adds an admitted operation after all others of its actor, for the next commit. */
  readonly join: (waiter: Waiter) => void;
}

/** Carries out tasks that have an actor for themselves. */
export class ExclusiveTasks {
  readonly #services: ExclusiveServices;
  readonly #held = new Map<ActorQueue, HeldActor>();

  /**
   * @param services What they work with.
   */
  constructor(services: ExclusiveServices) {
    this.#services = services;
  }

  /**
   * Carries out a task, after everything that was called before for the actor, and before everything
   * that is called later.
   *
   * @typeParam Result What it gives.
   * @param actor The actor.
   * @param task The task.
   * @returns What it gives.
   * @throws {unknown} What it throws.
   */
  run<Result>(actor: ActorQueue, task: () => Promise<Result>): Promise<Result> {
    const { completions } = this.#services;
    return new Promise((resolve, reject) => {
      completions.begin();
      const run = async () => {
        try {
          resolve(await task());
        } catch (error) {
          reject(error);
        }
        completions.settled();
      };
      const exclusive = { lastArrival: actor.arrivals, run };
      const held = this.#held.get(actor);
      if (held) held.parked.push(exclusive);
      else this.#hold(actor, exclusive, []);
    });
  }

  /**
   * Keeps an admitted operation back, if it was called after a task that has not ended.
   *
   * @param waiter The operation. Its messages are copied.
   * @returns Whether it is kept back.
   */
  park(waiter: Waiter): boolean {
    const { actor, operation: { arrival }, run } = waiter;
    const held = this.#held.get(actor);
    if (!held || arrival <= held.task.lastArrival) return false;
    const { parked } = held;
    const kept = { ...waiter, run: run && { ...run, bytes: run.bytes.slice() } };
    // One that has waited for room may have been called before a task that waits already.
    const later = parked.findIndex((item) => "lastArrival" in item && arrival <= item.lastArrival);
    parked.splice(later < 0 ? parked.length : later, 0, kept);
    return true;
  }

  #hold(actor: ActorQueue, task: ExclusiveTask, parked: Parked[]): void {
    let hasBegun = false;
    const progress = () => {
      if (hasBegun || !this.#isDrained(actor, task)) return;
      hasBegun = true;
      void this.#carryOut(actor, task);
    };
    this.#held.set(actor, { task, parked });
    actor.hold = { progress };
    // Batches must not wait for more.
    this.#services.makeDue(actor);
    progress();
  }

  /** Whether everything has ended that was called before a task. */
  #isDrained(actor: ActorQueue, { lastArrival }: ExclusiveTask): boolean {
    if (actor.hasOperations || actor.inFlight) return false;
    const waiting = this.#services.admission.oldestWaiting(actor);
    return waiting === undefined || waiting.arrival > lastArrival;
  }

  async #carryOut(actor: ActorQueue, task: ExclusiveTask): Promise<void> {
    await task.run();
    const parked = this.#held.get(actor)?.parked ?? [];
    this.#held.delete(actor);
    actor.hold = undefined;
    for (const [index, item] of parked.entries()) {
      if ("lastArrival" in item) return this.#hold(actor, item, parked.slice(index + 1));
      this.#services.join(item);
    }
  }
}
