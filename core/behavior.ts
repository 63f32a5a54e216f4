/**
 * What an actor does with its messages: the two usual ways to be as good as a journal.
 *
 * @module
 */

import { ArgumentTypeError } from "./errors.ts";
import type { InitialState } from "./recovery.ts";
import type { MaybePromise } from "./storage.ts";

/** What every handler may ask for, beside a change. */
export interface Consequences<State, Reply, Effect> {
  /**
   * The answer to whoever asked. It is computed on the state behind the message, and sent when all
   * that the state includes is durable.
   *
   * @param state The state behind the message. What is returned must not be changed later.
   * @returns The answer. Default: undefined.
   */
  reply?: (state: State) => Reply;
  /**
   * Effects that must happen at least once, such as messages to other systems: plain data that can
   * be stored. They are stored with what the message changes, all or nothing, and handed to `deliver`
   * of the actor's outbox until that has confirmed them.
   */
  effects?: readonly Effect[];
  /**
   * Called once, when all is durable, and never during replay. It is lost where the process ends
   * before. The answer waits for it; the messages behind do not. Where it fails, the asker is told.
   */
  afterPersist?: () => MaybePromise<void>;
}

/** What a command leads to. Events are journaled all or none. */
export interface Decision<State, Event, Reply, Effect = never>
  extends Consequences<State, Reply, Effect> {
  /** What has happened. None: nothing is journaled. */
  events?: readonly Event[];
}

/** Event sourcing: a command is decided, the events that this gives are journaled. */
export interface EventSourcing<State, Command, Event, Reply, Effect = never> {
  /** The state before the first event. */
  initialState: InitialState<State>;
  /**
   * Decides on a command. It sees the events of all commands before, must not change the state, and
   * has no side effects: where the journal turns out to have been written by somebody else, or a
   * write fails, it is called again for the same command, on the state that is really there. Where
   * it throws, nothing is journaled, and the asker gets the error.
   *
   * @param state The state.
   * @param command The command.
   * @returns The events and what else there is to do. Nothing: the command has no consequences.
   */
  handle(
    state: State,
    command: Command,
  ): MaybePromise<Decision<State, Event, Reply, Effect> | undefined | void>;
  /**
   * Gives the state behind an event. It must always give the same for the same events, and it must
   * not throw. It may change the state that it is given and return it.
   *
   * @param state The state.
   * @param event The event.
   * @returns The state behind it.
   */
  apply(state: State, event: Event): State;
}

/** What a message leads to in command sourcing. */
export interface Outcome<State, Reply, Effect = never> extends Consequences<State, Reply, Effect> {
  /** The state behind the message. Left out: it stays what it was. */
  state?: State;
}

/** Command sourcing: a message is journaled, then handled; in replay it is handled again. */
export interface CommandSourcing<State, Message, Reply, Effect = never> {
  /** The state before the first message. */
  initialState: InitialState<State>;
  /**
   * Handles a message. It is called again for the same message in every replay, where only the
   * state counts, so it must always give the same state for the same messages: what depends on time,
   * chance or the world belongs into the message. It may change the state that it is given and
   * return it. Where it throws, the journal remembers that the message was refused.
   *
   * A message that a new version of the handler refuses, although it was accepted before, stops
   * recovery. What was in the journal when the process was killed is another matter: it may not have
   * been handled yet. So what has come behind the last snapshot is refused then, which the journal
   * remembers and `onProblem` is told. Stop actors before you change a handler.
   *
   * @param state The state.
   * @param message The message.
   * @returns The new state and what else there is to do.
   */
  handle(
    state: State,
    message: Message,
  ): MaybePromise<Outcome<State, Reply, Effect> | undefined | void>;
  /**
   * Whether a message only reads: then it is not journaled, and the state and the effects that
   * `handle` gives for it are left alone. Default: none does.
   *
   * @param message The message.
   */
  isReadOnly?(message: Message): boolean;
}

/** What an actor does with its messages. Made by {@linkcode eventSourced} or {@linkcode commandSourced}. */
export type Behavior<State, Message, Stored, Reply, Effect = never> =
  | {
    readonly type: "events";
    readonly events: EventSourcing<State, Message, Stored, Reply, Effect>;
  }
  | {
    readonly type: "commands";
    readonly commands: CommandSourcing<State, Message, Reply, Effect>;
    /** The type of what is stored: the messages. */
    readonly stores?: Stored;
  };

/**
 * An actor that decides on commands and journals the events that this gives.
 *
 * @typeParam State The state.
 * @typeParam Command What is sent to the actor.
 * @typeParam Event What is journaled.
 * @typeParam Reply What is answered.
 * @typeParam Effect What is handed to the outbox.
 * @param events The handler of commands, and the fold of events.
 * @returns The behavior.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where `handle` or `apply` is no function.
 *
 * @example An account
 * ```ts
 * import { eventSourced } from "@cajun/persistence";
 *
 * type Command = { type: "deposit"; amount: number } | { type: "balance" };
 * const behavior = eventSourced<number, Command, { deposited: number }, number>({
 *   initialState: 0,
 *   handle(_balance, command) {
 *     if (command.type === "balance") return { reply: (balance) => balance };
 *     if (command.amount <= 0) throw new RangeError("An amount must be positive");
 *     return { events: [{ deposited: command.amount }], reply: (balance) => balance };
 *   },
 *   apply: (balance, event) => balance + event.deposited,
 * });
 * console.log(behavior.type); // "events"
 * ```
 */
export function eventSourced<State, Command, Event, Reply = void, Effect = never>(
  events: EventSourcing<State, Command, Event, Reply, Effect>,
): Behavior<State, Command, Event, Reply, Effect> {
  checkFunction(events?.handle, "handle");
  checkFunction(events.apply, "apply");
  return { type: "events", events };
}

/**
 * An actor whose messages are journaled, then handled.
 *
 * @typeParam State The state.
 * @typeParam Message What is sent to the actor, and journaled.
 * @typeParam Reply What is answered.
 * @typeParam Effect What is handed to the outbox.
 * @param commands The handler of messages.
 * @returns The behavior.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where `handle` is no function, or `isReadOnly` is
 *   neither one nor left out.
 *
 * @example A counter
 * ```ts
 * import { commandSourced } from "@cajun/persistence";
 *
 * const behavior = commandSourced<number, number | "read", number>({
 *   initialState: 0,
 *   isReadOnly: (message) => message === "read",
 *   handle(count, message) {
 *     if (message === "read") return { reply: (count) => count };
 *     return { state: count + message, reply: (count) => count };
 *   },
 * });
 * console.log(behavior.type); // "commands"
 * ```
 */
export function commandSourced<State, Message, Reply = void, Effect = never>(
  commands: CommandSourcing<State, Message, Reply, Effect>,
): Behavior<State, Message, Message, Reply, Effect> {
  checkFunction(commands?.handle, "handle");
  if (commands.isReadOnly !== undefined) checkFunction(commands.isReadOnly, "isReadOnly");
  return { type: "commands", commands };
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value === "function") return;
  throw new ArgumentTypeError(
    `Cannot make behavior: ${name} must be a function, not ${typeof value}`,
  );
}
