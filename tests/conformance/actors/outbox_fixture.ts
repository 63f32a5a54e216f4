/**
 * Actors of both ways of sourcing whose effects are delivered.
 *
 * @module
 */

import type { Outbox } from "../../../core/actors/outbox.ts";
import type { OutboxOptions } from "../../../core/actors/outbox_options.ts";
import type { ActorStoreProvider } from "../../../core/ports/actor_store.ts";
import {
  account,
  type Deliveries,
  log,
  Problems,
  quickDelivery,
  startOn,
  turn,
} from "./fixture.ts";

/** What is journaled. */
export type Sourcing = "events" | "commands";

/** An actor of either way of sourcing that can be told a letter, with effects. */
export interface Teller extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly terminated: Promise<void>;
  say(letter: string, effects: readonly unknown[]): Promise<unknown>;
  read(): Promise<string[]>;
  snapshot(): Promise<void>;
  stop(options?: { timeoutMs?: number }): Promise<void>;
}

/** How a teller works. */
export interface TellerOptions {
  readonly actorId?: string;
  readonly deliveries: Deliveries;
  readonly problems?: Problems;
  readonly outbox?: Omit<OutboxOptions<unknown>, "deliver">;
}

/** Starts a teller. */
export function startTeller(
  provider: ActorStoreProvider,
  sourcing: Sourcing,
  { actorId = "a", deliveries, problems = new Problems(), outbox = {} }: TellerOptions,
): Teller {
  const overrides = {
    actorId,
    kind: sourcing,
    outbox: { deliver: deliveries.deliver, ...quickDelivery, ...outbox },
    onProblem: problems.onProblem,
  };
  if (sourcing === "commands") {
    const actor = startOn(provider, log(), overrides);
    return tellerOf(
      actor,
      (text, effects) => actor.tell({ text, effects }),
      () => actor.ask({ read: true }),
    );
  }
  const actor = startOn(provider, account, overrides);
  return tellerOf(
    actor,
    (letter, effects) => actor.tell({ type: "add", amounts: [letter.charCodeAt(0)], effects }),
    async () => (await actor.ask({ type: "read" })).map((code) => String.fromCharCode(code)),
  );
}

function tellerOf(
  actor: Omit<Teller, "say" | "read">,
  say: Teller["say"],
  read: Teller["read"],
): Teller {
  return {
    outbox: actor.outbox,
    terminated: actor.terminated,
    say,
    read,
    snapshot: () => actor.snapshot(),
    stop: (options) => actor.stop(options),
    [Symbol.asyncDispose]: () => actor.stop(),
  };
}

/** Waits until the outbox counts so many. */
export async function untilCounts(
  outbox: Outbox,
  counts: { readonly open: number; readonly dead: number },
): Promise<void> {
  for (;;) {
    const { open, dead } = await outbox.counts();
    if (open === counts.open && dead === counts.dead) return;
    await turn(1);
  }
}

/** All that an iteration gives. */
export async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
