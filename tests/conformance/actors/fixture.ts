/**
 * Actors that the cases share: an account with event sourcing, a log with command sourcing.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { type Behavior, commandSourced, eventSourced } from "../../../core/actors/behavior.ts";
import type { StatefulActorOptions } from "../../../core/actors/options.ts";
import type { EffectDelivery } from "../../../core/actors/outbox_options.ts";
import type { ActorProblem } from "../../../core/actors/report.ts";
import { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import {
  StatefulActors,
  type StatefulActorsOptions,
} from "../../../core/actors/stateful_actors.ts";
import type { ActorStore, ActorStoreProvider, CallChain } from "../../../core/ports/actor_store.ts";
import type { CallContext } from "../../../core/ports/call_context.ts";
import type { MessageJournal } from "../../../core/ports/journal.ts";
import type { ProviderOptions } from "../../../core/ports/provider.ts";
import type { SnapshotStore } from "../../../core/ports/snapshot_store.ts";
import type { Storage } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { type ProviderRun, type Within, withProvider, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";

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
      // After the change, so that the state is spoilt.
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
  /** Called for each attempt; if it throws, or its promise rejects, the attempt fails. */
  onDeliver: (effect: unknown, delivery: EffectDelivery) => void | Promise<void> = () => {};
  /** What an outbox takes. */
  readonly deliver: (effect: unknown, delivery: EffectDelivery) => void | Promise<void> = (
    effect,
    delivery,
  ) => {
    this.seen.push({ effect, id: delivery.id, attempt: delivery.attempt });
    return this.onDeliver(effect, delivery);
  };
}

/** The kind of the actors. */
export const KIND = "test";

/** The kind of logs beside accounts: a kind is journaled in one way only. */
export const LOG = "log";

/** Options of an actor, without where it is stored. */
export type Overrides<State, Message, Stored, Reply, Effect = unknown> = Partial<
  StatefulActorOptions<State, Message, Stored, Reply, Effect>
>;

/** Retries that take no time worth mentioning. */
export const quickRetry = { initialDelayMs: 1, maxDelayMs: 2 } as const;

/** Attempts to deliver that follow each other at once. */
export const quickDelivery = { initialDelayMs: 1, maxDelayMs: 2 } as const;

/** Starts an actor of the kind. */
export function startOn<State, Message, Stored, Reply, Effect = unknown>(
  provider: ActorStoreProvider,
  behavior: Behavior<State, Message, Stored, Reply, Effect>,
  overrides: Overrides<State, Message, Stored, Reply, Effect> = {},
): StatefulActor<State, Message, Reply> {
  return StatefulActor.start<State, Message, Stored, Reply, Effect>({
    provider,
    kind: KIND,
    actorId: "a",
    behavior,
    retry: quickRetry,
    // Told to the cases that care.
    onProblem: () => {},
    ...overrides,
  });
}

/** Starts all actors of the kind. */
export function startAllOn<State, Message, Stored, Reply, Effect = unknown>(
  provider: ActorStoreProvider,
  behavior: Behavior<State, Message, Stored, Reply, Effect>,
  overrides: Partial<StatefulActorsOptions<State, Message, Stored, Reply, Effect>> = {},
): StatefulActors<State, Message, Reply> {
  return StatefulActors.start<State, Message, Stored, Reply, Effect>({
    provider,
    kind: KIND,
    behavior,
    retry: quickRetry,
    // Told to the cases that care.
    onProblem: () => {},
    ...overrides,
  });
}

/** The journal of the actors of the kind. */
export function journalOf<Message = unknown>(
  provider: PersistenceProvider,
  kind: string = KIND,
): MessageJournal<Message> {
  return provider.createMessageJournal<Message>({ kind });
}

/** The snapshots of the actors of the kind. */
export function snapshotsOf<State = unknown>(
  provider: PersistenceProvider,
  kind: string = KIND,
): SnapshotStore<State> {
  return provider.createSnapshotStore<State>({ kind });
}

/** What is stored of an actor, as it stands in the journal. */
export async function storedOf(
  provider: PersistenceProvider,
  actorId = "a",
  kind: string = KIND,
): Promise<unknown[]> {
  const entries = await journalOf(provider, kind).readFrom(actorId, 0);
  return entries.map(({ message }) => message);
}

/** The context of calls, as the adapters have it. */
export const callContext: CallContext<CallChain> = contextOn(new AsyncLocalStorage());

function contextOn(storage: AsyncLocalStorage<CallChain | undefined>): CallContext<CallChain> {
  return {
    get: () => storage.getStore(),
    run: (value, call) => storage.run(value, call),
  };
}

/** Options of a provider as those of the adapters are. */
const asAdapter: ProviderOptions = { runtime: { callContext } };

/** Opens a provider as the adapters do on a fresh storage. */
export const withActors: Within<ProviderRun> = withProvider(asAdapter);

/** Opens a provider on a storage, as after a restart. */
export function openOn(storage: Storage): Promise<PersistenceProvider> {
  return PersistenceProvider.openOn(storage, asAdapter);
}

/** The parts of an actor store that a test may want to be otherwise. */
export type StoreParts = Pick<
  ActorStore<unknown, unknown>,
  | "append"
  | "claimSourcing"
  | "outbox"
  | "prepareState"
  | "readMarks"
  | "saveState"
  | "snapshots"
  | "writeMarks"
>;

/**
 * A provider whose actor stores are otherwise.
 *
 * @param provider The provider.
 * @param change Gives the parts that are otherwise.
 * @returns The provider, for actors.
 */
export function withStore(
  provider: PersistenceProvider,
  change: (store: StoreParts) => Partial<StoreParts>,
): ActorStoreProvider {
  return {
    clock: provider.clock,
    callContext: provider.callContext,
    createActorStore: (options) => {
      const store = provider.createActorStore(options);
      const changed = change(store as unknown as StoreParts);
      return new Proxy(store, {
        get(target, name) {
          const own: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name);
          return typeof own === "function" ? own.bind(target) : own;
        },
      });
    },
  };
}

/** Something that can be let go. */
export interface Gate {
  /** Resolves when it is let go. */
  readonly opened: Promise<void>;
  /** Lets it go. */
  open(): void;
}

/** Makes something that waits until the test lets it go. */
export function gate(): Gate {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Lets everything that is ready have its turn. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn(1);
}

/** Waits until nothing is being handled, saved or truncated. */
export async function settled(actor: { readonly isIdle: boolean }): Promise<void> {
  await until(() => actor.isIdle);
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
    await using provider = await openOn(storage);
    await run(storage, provider);
  });
