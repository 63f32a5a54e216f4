/**
 * Actors that the cases share: an account with event sourcing, a log with command sourcing.
 *
 * @module
 */

import { StatefulActor } from "../../core/actor.ts";
import type { ActorProblem, StatefulActorOptions } from "../../core/actor_options.ts";
import { type Behavior, commandSourced, eventSourced } from "../../core/behavior.ts";
import type { Delivery } from "../../core/outbox.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import type { Storage } from "../../core/storage.ts";
import { type Within, withStorage } from "./fixture.ts";
import { ObservedStorage } from "./observed_storage.ts";

/** What an account is told. */
export type Command =
  | { type: "add"; amounts: readonly number[]; effects?: readonly unknown[] }
  | { type: "addLater"; amount: number; after: Promise<void> }
  | { type: "afterPersist"; amount: number; call: () => void | Promise<void> }
  | { type: "unencodable" }
  | { type: "refuse"; error: Error }
  | { type: "spoil" }
  | { type: "badReply"; amount: number }
  | { type: "bad"; decision: unknown }
  | { type: "read" };

/** What has happened to an account. Negative zero spoils the state. */
export type Event = { add: number } | { spoilt: true } | (() => void);

/** The amounts that were added, in order. */
export type Amounts = readonly number[];

/** An account that remembers all amounts. */
export const account: Behavior<Amounts, Command, Event, Amounts, unknown> = eventSourced<
  Amounts,
  Command,
  Event,
  Amounts,
  unknown
>({
  initialState: [],
  handle(_state, command) {
    const reply = (state: Amounts) => state;
    switch (command.type) {
      case "read":
        return { reply };
      case "add":
        return {
          events: command.amounts.map((add) => ({ add })),
          ...(command.effects && { effects: command.effects }),
          reply,
        };
      case "addLater":
        return command.after.then(() => ({ events: [{ add: command.amount }], reply }));
      case "afterPersist":
        return { events: [{ add: command.amount }], reply, afterPersist: command.call };
      case "unencodable":
        return { events: [() => {}], reply };
      case "refuse":
        throw command.error;
      case "spoil":
        return { events: [{ add: 0 }, { spoilt: true }], reply };
      case "badReply":
        return {
          events: [{ add: command.amount }],
          reply: () => {
            throw new Error("no reply");
          },
        };
      case "bad":
        return command.decision as { reply: typeof reply };
    }
  },
  apply(state, event) {
    if (typeof event === "function") return state;
    if ("spoilt" in event) throw new Error("spoilt");
    return [...state, event.add];
  },
});

/** What a log is told. */
export type Line =
  | { text: string; effects?: readonly unknown[]; fail?: boolean }
  | { read: true; fail?: boolean };

/** A log with command sourcing, which changes its state in place. */
export function log(
  refuses: (text: string) => boolean = () => false,
): Behavior<string[], Line, Line, string[], unknown> {
  return commandSourced<string[], Line, string[], unknown>({
    initialState: () => [],
    isReadOnly: (line) => "read" in line,
    handle(state, line) {
      if ("text" in line) state.push(line.text);
      // Behind the change, so that the state is spoilt.
      if (line.fail || ("text" in line && refuses(line.text))) throw new Error("refused");
      const effects = "text" in line ? line.effects : undefined;
      return { state, reply: (state) => [...state], ...(effects && { effects }) };
    },
  });
}

/** Collects what an actor reports. */
export class Problems {
  /** All that was reported, in order. */
  readonly all: ActorProblem[] = [];
  /** What an actor takes. */
  readonly onProblem: (problem: ActorProblem) => void = (problem) => void this.all.push(problem);

  /** The types of what was reported. */
  get types(): string[] {
    return this.all.map(({ type }) => type);
  }
}

/** What deliveries a test has seen, and how they end. */
export class Deliveries {
  /** The effects, with the ids that they had. */
  readonly seen: { effect: unknown; id: string; attempt: number }[] = [];
  /** Called for each attempt; where it throws, or its promise rejects, the attempt fails. */
  onDeliver: (effect: unknown, delivery: Delivery) => void | Promise<void> = () => {};
  /** What an outbox takes. */
  readonly deliver: (effect: unknown, delivery: Delivery) => void | Promise<void> = (
    effect,
    delivery,
  ) => {
    this.seen.push({ effect, id: delivery.id, attempt: delivery.attempt });
    return this.onDeliver(effect, delivery);
  };
}

/** Options of an actor, without where it is stored. */
export type Overrides<State, Message, Stored, Reply> = Partial<
  StatefulActorOptions<State, Message, Stored, Reply, unknown>
>;

/** Retries that take no time worth mentioning. */
export const quickRetry = { initialDelayMs: 1, maxDelayMs: 2 } as const;

/** Starts an actor with a journal and a snapshot store of the provider. */
export function startOn<State, Message, Stored, Reply>(
  provider: PersistenceProvider,
  behavior: Behavior<State, Message, Stored, Reply, unknown>,
  overrides: Overrides<State, Message, Stored, Reply> = {},
): StatefulActor<State, Message, Reply> {
  return StatefulActor.start<State, Message, Stored, Reply, unknown>({
    actorId: "a",
    journal: provider.createMessageJournal<Stored>(),
    snapshots: provider.createSnapshotStore<State>(),
    behavior,
    retry: quickRetry,
    // Told to the cases that care.
    onProblem: () => {},
    ...overrides,
  });
}

/** What is stored of an actor, as it stands in the journal. */
export async function storedOf(provider: PersistenceProvider, actorId = "a"): Promise<unknown[]> {
  const entries = await provider.createMessageJournal<unknown>().readFrom(actorId, 0);
  return entries.map(({ message }) => message);
}

/** Opens a provider on a storage, as after a restart, and closes it behind the run. */
export async function withProviderOn(
  storage: Storage,
  run: (provider: PersistenceProvider) => Promise<void>,
): Promise<void> {
  await using provider = await PersistenceProvider.openOn(storage);
  await run(provider);
}

/** Lets everything that is ready have its turn. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn(1);
}

/** What runs with a storage that can be watched, held back and made to fail. */
export type ObservedRun = (
  storage: ObservedStorage,
  provider: PersistenceProvider,
) => Promise<void>;

/** Opens a provider on a fresh storage that is observed. */
export const withObserved: Within<ObservedRun> = (factory, run) =>
  withStorage(factory, async (inner) => {
    const storage = new ObservedStorage(inner);
    await using provider = await PersistenceProvider.openOn(storage);
    await run(storage, provider);
  });
