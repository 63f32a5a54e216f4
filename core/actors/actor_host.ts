/**
 * What actors of one kind share: their store, their outbox, their time limits, and the ways in which
 * they are put together.
 *
 * @module
 */

import type {
  ActorStore,
  ActorStoreOptions,
  ActorStoreProvider,
  CallChain,
} from "../ports/actor_store.ts";
import { retry } from "../errors/retry.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { FollowOptions } from "../ports/journal_options.ts";
import { Deadlines } from "../util/deadlines.ts";
import { NO_TELEMETRY } from "../telemetry/telemetry_hub.ts";
import { ActorContext } from "./actor_context.ts";
import { ActorEvents } from "./actor_events.ts";
import type { Behavior } from "./behavior.ts";
import { CommandStrategy } from "./command_strategy.ts";
import { EventStrategy } from "./event_strategy.ts";
import { ActorLoop } from "./loop.ts";
import { type ActorOptions, checkActorOptions, type CheckedActorOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { OutboxDispatcher } from "./outbox_dispatcher.ts";
import { checkOutbox } from "./outbox_options.ts";
import type { EndTurn } from "./phases/phase.ts";
import { makeInitialState } from "./recovery.ts";
import { SnapshotPolicy } from "./snapshot_policy.ts";
import { callAndForget } from "../util/settled.ts";
import type { RecoveryWatch, Strategy } from "./strategy.ts";

/** What actors of one kind share, whatever is stored. */
export interface Host<State, Message, Reply> {
  readonly kind: string;
  readonly options: CheckedActorOptions<Message>;
  readonly callContext: ActorStoreProvider["callContext"];
  readonly clock: ActorStoreProvider["clock"];
  readonly deadlines: Deadlines;
  readonly events: ActorEvents;
  readonly outbox: Outbox;
  /** Whether a link of a chain is a callback of one of these actors. */
  owns(link: CallChain): boolean;
  /** Whether a link of a chain is a callback that a stop of these actors waits for. */
  delaysStop(link: CallChain): boolean;
  /** Makes an actor, which has not begun. */
  makeLoop(
    actorId: string,
    requestTurn: () => Promise<EndTurn>,
    watch: RecoveryWatch,
  ): ActorLoop<State, Message, Reply>;
  /** Follows the journal of an actor. */
  follow(
    actorId: string,
    fromSequenceNumber: number,
    options: FollowOptions,
  ): AsyncIterable<JournalEntry<unknown>>;
  /** Begins to deliver effects. */
  start(): void;
  /** Ends all deliveries, and closes the store. */
  close(): Promise<void>;
}

/** See {@linkcode Host}. */
export class ActorHost<State, Message, Stored, Reply, Effect>
  implements Host<State, Message, Reply> {
  readonly kind: string;
  readonly options: CheckedActorOptions<Message>;
  readonly callContext: ActorStoreProvider["callContext"];
  readonly clock: ActorStoreProvider["clock"];
  readonly deadlines: Deadlines;
  readonly events: ActorEvents;
  readonly outbox: Outbox;

  readonly #store: ActorStore<Stored, State>;
  readonly #behavior: Behavior<State, Message, Stored, Reply, Effect>;
  readonly #snapshotPolicy: ActorOptions<State, Message, Stored>["snapshotPolicy"];
  readonly #dispatcher: OutboxDispatcher<Effect> | undefined;
  #claimed: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param options How the actors work.
   * @param operation What the caller is about to do, for the error's message.
   * @param actorId The only actor, if there is one only.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is bad.
   * @throws {PersistenceError} `UNENCODABLE` and the like, if `initialState` is a value that cannot
   *   be stored; `CLOSED` if the provider is.
   */
  constructor(
    options: ActorOptions<State, Message, Stored, Reply, Effect>,
    operation: string,
    actorId?: string,
  ) {
    this.options = checkActorOptions(options, operation);
    const { provider, behavior, kind, snapshotPolicy = {} } = options;
    this.kind = kind;
    this.callContext = provider.callContext;
    this.clock = provider.clock;
    this.deadlines = new Deadlines(provider.clock);
    this.events = new ActorEvents(kind, provider.clock, provider.telemetry ?? NO_TELEMETRY);
    this.#behavior = behavior;
    this.#snapshotPolicy = snapshotPolicy;
    // What is wrong with it is to be known now, and not when the first actor begins.
    this.#makePolicy(() => {}, () => {}, operation);
    this.#store = provider.createActorStore<Stored, State>(storeOptions(options));
    this.#checkInitialState(actorId);
    const { report } = this.options;
    const { clock, callContext } = provider;
    const store = this.#store.outbox;
    this.#dispatcher = options.outbox && new OutboxDispatcher<Effect>({
      kind,
      actorId,
      options: checkOutbox(options.outbox, operation),
      store,
      clock,
      callContext,
      events: this.events,
      owner: this,
      report,
    });
    this.outbox = new Outbox(store, this.#dispatcher);
  }

  /** See {@linkcode Host.owns}. */
  owns(link: CallChain): boolean {
    return link.owner === this;
  }

  /** See {@linkcode Host.delaysStop}. */
  delaysStop(link: CallChain): boolean {
    // For an answer only the asker waits.
    return this.owns(link) && link.role !== "reply";
  }

  /** See {@linkcode Host.start}. */
  start(): void {
    this.#dispatcher?.start();
  }

  /** See {@linkcode Host.follow}. */
  follow(
    actorId: string,
    fromSequenceNumber: number,
    options: FollowOptions,
  ): AsyncIterable<JournalEntry<Stored>> {
    return this.#store.journal.follow(actorId, fromSequenceNumber, options);
  }

  /** See {@linkcode Host.makeLoop}. */
  makeLoop(
    actorId: string,
    requestTurn: () => Promise<EndTurn>,
    watch: RecoveryWatch,
  ): ActorLoop<State, Message, Reply> {
    const { clock, callContext, options } = this;
    const store = this.#store;
    const policy = this.#makePolicy(
      () => loop.requestSnapshot(),
      (error) => context.report({ type: "callback", callback: "when", error }),
      `start actor "${actorId}"`,
    );
    const context = new ActorContext<State, Message, Stored, Reply, Effect>(
      {
        actorId,
        store,
        behavior: this.#behavior,
        options,
        provider: { clock, callContext },
        events: this.events,
        owner: this,
        outbox: this.#dispatcher,
      },
      policy,
    );
    const loop = new ActorLoop<State, Message, Reply>({
      context,
      strategy: strategyOf(context),
      store,
      requestTurn: async () => {
        await retry(() => this.#claim(), options.retry, watch.signal);
        return await requestTurn();
      },
      watch: guarded(
        watch,
        (error) => context.report({ type: "callback", callback: "onProgress", error }),
      ),
    });
    return loop;
  }

  /** See {@linkcode Host.close}. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#dispatcher?.stop();
    await this.#store.close();
  }

  /** Once it is certain it stays so; a failure does not. */
  #claim(): Promise<void> {
    this.#claimed ??= this.#store.claimSourcing(this.#behavior.type).catch((error) => {
      this.#claimed = undefined;
      throw error;
    });
    return this.#claimed;
  }

  #makePolicy(
    onTime: () => void,
    whenFailed: (error: unknown) => void,
    operation: string,
  ): SnapshotPolicy<State> {
    const owner = { clock: this.clock, onTime, whenFailed };
    return new SnapshotPolicy<State>(this.#snapshotPolicy ?? {}, owner, operation);
  }

  /** A state that could never be saved is a mistake that would show only much later. */
  #checkInitialState(actorId: string | undefined): void {
    const { initialState } = this.#behavior.type === "events"
      ? this.#behavior.events
      : this.#behavior.commands;
    // What a function makes is checked when the actor begins: it may need to know which one it is.
    if (typeof initialState === "function") return;
    const name = actorId ?? "initial state";
    // The value itself, and not its copy, which has lost the classes of what is in it.
    this.#store.prepareState(name, initialState as State);
    makeInitialState(initialState, name);
  }
}

function strategyOf<State, Message, Stored, Reply, Effect>(
  context: ActorContext<State, Message, Stored, Reply, Effect>,
): Strategy<State, Message, Reply> {
  const { behavior } = context;
  if (behavior.type === "events") return new EventStrategy(context, behavior.events);
  // With command sourcing what is stored are the messages.
  const ofMessages = context as ActorContext<
    State,
    Message,
    unknown,
    Reply,
    Effect
  > as ActorContext<
    State,
    Message,
    Message,
    Reply,
    Effect
  >;
  return new CommandStrategy(ofMessages, behavior.commands);
}

/** A callback that throws is reported, and the recovery goes on. */
function guarded({ signal, onProgress }: RecoveryWatch, fail: (error: unknown) => void) {
  const watch: RecoveryWatch = {
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: (progress) => callAndForget(() => onProgress(progress), fail),
    }),
  };
  return watch;
}

function storeOptions<State, Stored>(
  { kind, messageSchema, stateSchema, keepSnapshots }: {
    kind: string;
    messageSchema?: ActorStoreOptions<Stored, State>["messageSchema"];
    stateSchema?: ActorStoreOptions<Stored, State>["stateSchema"];
    keepSnapshots?: number;
  },
): ActorStoreOptions<Stored, State> {
  return {
    kind,
    ...(messageSchema && { messageSchema }),
    ...(stateSchema && { stateSchema }),
    ...(keepSnapshots !== undefined && { keepSnapshots }),
  };
}
