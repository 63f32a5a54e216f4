/**
 * Carries histories of actors out, and compares what is found with what was promised.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import { RetentionSweep } from "../../../core/retention/retention_sweep.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { TestClock } from "../../../testing/test_clock.ts";
import { randomFrom } from "../../conformance/random.ts";
import { isExpected } from "./fates.ts";
import type { ActorIndex, History, Step } from "./history.ts";
import { Ledger } from "./ledger.ts";
import { Letters } from "./letters.ts";
import { Life, lookAt } from "./life.ts";
import { IDS, KINDS, type World } from "./world.ts";

/** All actors. */
const ACTORS: readonly ActorIndex[] = [
  { kind: 0, id: 0 },
  { kind: 0, id: 1 },
  { kind: 1, id: 0 },
  { kind: 1, id: 1 },
];

/**
 * Carries a history out.
 *
 * @param disk Where everything is stored. It is not closed.
 * @param history The history.
 */
export async function carryOut(disk: Storage, history: History): Promise<void> {
  const run = new Run(disk, history);
  for (const step of history.steps) await run.carryOut(step);
  await run.end();
}

class Run {
  readonly #world: World;
  readonly #ledgers: ReadonlyMap<string, Ledger>;
  #life: Promise<Life | undefined>;

  constructor(disk: Storage, history: History) {
    this.#ledgers = new Map(ACTORS.map((actor) => {
      const hasEvents = actor.kind === 0 || history.second === "events";
      return [nameOf(actor), new Ledger(nameOf(actor), hasEvents)];
    }));
    this.#world = {
      disk,
      history,
      random: randomFrom(history.seed),
      clock: new TestClock(),
      letters: new Letters(history),
      ledgerOf: (actor) => this.#ledgerOf(actor),
    };
    this.#life = Life.begin(this.#world, "wild");
  }

  async carryOut(step: Step): Promise<void> {
    const life = await this.#life;
    switch (step.type) {
      case "send":
        return void life?.send(step.actor, step.content, step);
      case "turns":
        for (let left = step.count; left > 0; left--) await undefined;
        return;
      case "settle":
        return await setImmediate();
      case "time":
        return await this.#world.clock.advance(step.ms);
      case "snapshot":
        return life?.snapshot(step.actor);
      case "passivate":
        return life?.passivate(step.actor);
      case "remove":
        return await this.#remove(step);
      case "sweep":
        return await this.#sweep(life);
      case "rival":
        return await this.#rival({ kind: 0, id: step.id });
      case "stop":
        return await this.#restart(false);
      case "crash":
        return await this.#restart(true);
    }
  }

  /** Ends well: then everything that was promised must be there. */
  async end(): Promise<void> {
    await (await this.#life)?.end(false);
    // Whatever failed while the storage was bad is delivered in the end. What was journaled, and not
    // handled before its actor ended, is handled when that is recovered.
    const calm = await Life.begin(this.#world, "calm");
    for (const actor of ACTORS) await calm?.read(actor);
    await calm?.drained();
    await calm?.end(false);
    await this.#look();
    for (const ledger of this.#ledgers.values()) ledger.compareAll();
  }

  async #restart(isCrash: boolean): Promise<void> {
    await (await this.#life)?.end(isCrash);
    await this.#look();
    this.#life = Life.begin(this.#world, "wild");
  }

  /** Compares what another process would find. */
  async #look(): Promise<void> {
    for (const actor of ACTORS) await lookAt(this.#world, actor);
  }

  /** Another process writes an actor, and ends. */
  async #rival(actor: ActorIndex): Promise<void> {
    if ((await this.#life)?.isLeaving(actor)) return;
    const rival = await Life.begin(this.#world, "look");
    await rival?.sendAsRival(actor);
    await rival?.end(false);
  }

  async #remove({ actor, mode, crashAfter }: Extract<Step, { type: "remove" }>): Promise<void> {
    const begins = (await this.#life)?.remove(actor, mode);
    if (crashAfter === undefined) return;
    await begins;
    for (let left = crashAfter; left > 0; left--) await undefined;
    await this.#restart(true);
  }

  async #sweep(life: Life | undefined): Promise<void> {
    if (!life) return;
    for (const kind of KINDS) {
      await using sweep = new RetentionSweep({
        provider: life.provider,
        kind,
        retainMessagesBeforeSnapshot: this.#world.random.below(4),
      });
      await sweep.run().catch((error) => {
        if (!isExpected(error)) throw error;
      });
    }
  }

  #ledgerOf(actor: ActorIndex): Ledger {
    const ledger = this.#ledgers.get(nameOf(actor));
    if (!ledger) throw new Error(`there is no actor ${nameOf(actor)}`);
    return ledger;
  }
}

function nameOf({ kind, id }: ActorIndex): string {
  return `${KINDS[kind]} ${IDS[id]}`;
}
