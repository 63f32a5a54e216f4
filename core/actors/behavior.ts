/**
 * What an actor does with its messages: the two usual ways to be as good as a journal.
 *
 * @module
 */

import { ArgumentTypeError } from "../errors/persistence_error.ts";
import { checkOptions, describeType } from "../errors/arguments.ts";
import type { Sourcing } from "../ports/actor_store.ts";
import type { Metadata } from "../ports/journal.ts";
import type { OptionNames } from "../util/option_names.ts";
import type { MaybePromise } from "../util/promises.ts";
import type { InitialState } from "./recovery.ts";

/** What every handler may ask for, beside a change. */
export interface HandlerResult<State, Reply, Effect> {
  /**
   * The answer to the asker. It is computed on the state after the message, and sent when all that
   * the state includes is durable. If it throws, or its promise rejects, the asker gets the error and
   * nothing is undone.
   *
   * @param state The state after the message. If parts of it are returned, later messages may change
   *   them: return a copy, or an `apply` that makes new objects.
   * @returns The answer. The asker gets what a promise resolves to.
   */
  reply?: (state: State) => MaybePromise<Reply>;
  /**
   * Effects that must happen at least once, such as messages to other systems: plain data that can
   * be stored. They are stored with what the message changes, all or nothing, and handed to `deliver`
   * of the outbox until that has confirmed them.
   */
  effects?: readonly Effect[];
  /**
   * Called once, when all is durable, and never during replay. It is lost if the process ends before.
   * The answer waits for it; the messages after do not. If it fails, the asker gets the error.
   */
  afterPersist?: () => MaybePromise<void>;
}

/** What a command leads to. Events are journaled all or none. */
export interface Decision<State, Event, Reply, Effect = never>
  extends HandlerResult<State, Reply, Effect> {
  /** What has happened. None: nothing is journaled. */
  events?: readonly Event[];
  /**
   * What is stored beside each event, such as correlation ids; it comes on top of the metadata that
   * the message was sent with. A plain object.
   */
  metadata?: Metadata;
  /** The state follows from events: `apply` gives it. */
  state?: never;
  /** A common slip: it is called `events`, and is an array. */
  event?: never;
}

/** Event sourcing: a command is decided, the events that this gives are journaled. */
export interface EventSourcing<State, Command, Event, Reply, Effect = never> {
  /** The state before the first event. It must be possible to store it. */
  initialState: InitialState<State>;
  /**
   * Decides on a command. It sees the events of all commands before, must not change the state, and
   * has no side effects: if the journal turns out to have been written by another process, or a
   * write fails, it is called again for the same command, on the state that is really there. If it
   * throws, nothing is journaled, and the asker gets the error. Nothing else is handled until it has
   * answered, so it must not await its own actor.
   *
   * @param state The state.
   * @param command The command.
   * @returns The events and what else there is to do. Nothing: the command has no consequences.
   */
  handle(
    state: State,
    command: Command,
  ): MaybePromise<Decision<State, NoInfer<Event>, Reply, Effect> | undefined | void>;
  /**
   * Gives the state after an event. It must always give the same for the same events, answer at once,
   * and must not throw. It may change the state that it is given and return it. What it does to the
   * event does not change what is journaled.
   *
   * @param state The state.
   * @param event The event.
   * @returns The state after it.
   */
  apply(state: State, event: Event): State;
}

const EVENT_SOURCING_NAMES: OptionNames<EventSourcing<unknown, unknown, unknown, unknown>> = {
  initialState: true,
  handle: true,
  apply: true,
};

/** What a message leads to in command sourcing. */
export interface Outcome<State, Reply, Effect = never> extends HandlerResult<State, Reply, Effect> {
  /** The state after the message. Left out: it stays what it was. */
  state?: State;
  /** The message itself is journaled: there are no events. */
  events?: never;
  /** The metadata of a message is given when it is sent. */
  metadata?: never;
}

/** Command sourcing: a message is journaled, then handled; in replay it is handled again. */
export interface CommandSourcing<State, Message, Reply, Effect = never> {
  /** The state before the first message. It must be possible to store it. */
  initialState: InitialState<State>;
  /**
   * Handles a message. It is called again for the same message in every replay, where only the
   * state counts, so it must always give the same state for the same messages: what depends on time,
   * chance or the world belongs into the message. It may change the state that it is given and
   * return it. If it throws, the actor remembers that the message was refused. Nothing else is
   * handled until it has answered, so it must not await its own actor.
   *
   * A message that a new version of the handler refuses, although it was accepted before, stops
   * recovery. What was in the journal when the process was killed is another matter: it may not have
   * been handled yet. So what came after the last snapshot may be refused then, which the actor
   * remembers and reports to `onProblem`. Stop actors before you change a handler.
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
   * `handle` gives for it are left alone. If it throws, the message is refused.
   *
   * @param message The message.
   * @returns True if it only reads. Without this function no message does.
   */
  isReadOnly?(message: Message): boolean;
}

const COMMAND_SOURCING_NAMES: OptionNames<CommandSourcing<unknown, unknown, unknown>> = {
  initialState: true,
  handle: true,
  isReadOnly: true,
};

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

/** Event sourcing, by what the handler gives for the commands. */
export interface EventSourcingOf<State, Command, Event, Result>
  extends Omit<EventSourcing<State, Command, Event, unknown, unknown>, "handle"> {
  /**
   * See {@linkcode EventSourcing.handle}.
   *
   * @param state The state.
   * @param command The command.
   * @returns The decision.
   */
  handle(state: State, command: Command): MaybePromise<Result>;
}

/** Command sourcing, by what the handler gives for the messages. */
export interface CommandSourcingOf<State, Message, Result>
  extends Omit<CommandSourcing<State, Message, unknown, unknown>, "handle"> {
  /**
   * See {@linkcode CommandSourcing.handle}.
   *
   * @param state The state.
   * @param message The message.
   * @returns The outcome.
   */
  handle(state: State, message: Message): MaybePromise<Result>;
}

/** The types of all answers that a handler gives: nothing, if it gives none. */
export type ReplyOf<
  Result,
  Answer = Result extends { reply?: infer Reply }
    ? Reply extends (state: never) => infer Answer ? Awaited<Answer> : never
    : never,
> = [Answer] extends [never] ? void : Answer;

/** The types of all effects that a handler gives. */
export type EffectOf<Result> = Result extends { effects?: infer Effects }
  ? Effects extends readonly (infer Effect)[] ? Effect : never
  : never;

/** What a handler may return: nothing changes nothing. */
export type HandlerAnswer<Result> = Result | undefined | void;

/**
 * An actor that decides on commands and journals the events that this gives. Annotate the parameters
 * of the callbacks: the types follow from them.
 *
 * @typeParam State The state.
 * @typeParam Command What is sent to the actor.
 * @typeParam Event What is journaled.
 * @typeParam Reply What is answered.
 * @typeParam Effect What is handed to the outbox.
 * @param events The handler of commands, and the fold of events.
 * @returns The behavior.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if `handle` or `apply` is not a function.
 *
 * @example An account
 * ```ts
 * import { eventSourced } from "@cajun/persistence";
 *
 * type Command = { type: "deposit"; amount: number } | { type: "balance" };
 * type Event = { deposited: number };
 *
 * const behavior = eventSourced({
 *   initialState: 0,
 *   handle(_balance: number, command: Command) {
 *     if (command.type === "balance") return { reply: (balance: number) => balance };
 *     if (command.amount <= 0) throw new RangeError("An amount must be positive");
 *     return { events: [{ deposited: command.amount }], reply: (balance: number) => balance };
 *   },
 *   apply: (balance: number, event: Event) => balance + event.deposited,
 * });
 * console.log(behavior.type); // "events"
 * ```
 */
export function eventSourced<State, Command, Event, Reply = void, Effect = never>(
  events: EventSourcing<State, Command, Event, Reply, Effect>,
): Behavior<State, Command, Event, Reply, Effect>;
/**
 * The same, if commands are answered with different types, or have different effects.
 *
 * @typeParam State The state.
 * @typeParam Command What is sent to the actor.
 * @typeParam Event What is journaled.
 * @typeParam Result What the handler gives.
 * @param events The handler of commands, and the fold of events.
 * @returns The behavior.
 */
export function eventSourced<
  State,
  Command,
  Event,
  Result extends HandlerAnswer<Decision<State, NoInfer<Event>, unknown, unknown>>,
>(
  events: EventSourcingOf<State, Command, Event, Result>,
): Behavior<State, Command, Event, ReplyOf<Result>, EffectOf<Result>>;
export function eventSourced<State, Command, Event, Reply, Effect>(
  events: EventSourcing<State, Command, Event, Reply, Effect>,
): Behavior<State, Command, Event, Reply, Effect> {
  checkOptions(events, "make behavior", EVENT_SOURCING_NAMES);
  checkFunction(events.handle, "handle");
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
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if `handle` is not a function, or `isReadOnly` is
 *   neither one nor left out.
 *
 * @example A counter
 * ```ts
 * import { commandSourced } from "@cajun/persistence";
 *
 * const behavior = commandSourced({
 *   initialState: 0,
 *   isReadOnly: (message: number | "read") => message === "read",
 *   handle(count: number, message: number | "read") {
 *     if (message === "read") return { reply: (count: number) => count };
 *     return { state: count + message, reply: (count: number) => count };
 *   },
 * });
 * console.log(behavior.type); // "commands"
 * ```
 */
export function commandSourced<State, Message, Reply = void, Effect = never>(
  commands: CommandSourcing<State, Message, Reply, Effect>,
): Behavior<State, Message, Message, Reply, Effect>;
/**
 * The same, if messages are answered with different types, or have different effects.
 *
 * @typeParam State The state.
 * @typeParam Message What is sent to the actor, and journaled.
 * @typeParam Result What the handler gives.
 * @param commands The handler of messages.
 * @returns The behavior.
 */
export function commandSourced<
  State,
  Message,
  Result extends HandlerAnswer<Outcome<State, unknown, unknown>>,
>(
  commands: CommandSourcingOf<State, Message, Result>,
): Behavior<State, Message, Message, ReplyOf<Result>, EffectOf<Result>>;
export function commandSourced<State, Message, Reply, Effect>(
  commands: CommandSourcing<State, Message, Reply, Effect>,
): Behavior<State, Message, Message, Reply, Effect> {
  checkOptions(commands, "make behavior", COMMAND_SOURCING_NAMES);
  checkFunction(commands.handle, "handle");
  if (commands.isReadOnly !== undefined) checkFunction(commands.isReadOnly, "isReadOnly");
  return { type: "commands", commands };
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value === "function") return;
  throw new ArgumentTypeError(
    `Cannot make behavior: ${name} must be a function, not ${describeType(value)}`,
  );
}

/** What a handler may return, by what is journaled. */
const RESULT_NAMES: Readonly<Record<Sourcing, Readonly<Record<string, true>>>> = {
  events: { events: true, metadata: true, reply: true, effects: true, afterPersist: true },
  commands: { state: true, reply: true, effects: true, afterPersist: true },
};

/**
 * Checks what a handler returned.
 *
 * @param result What it returned.
 * @param sourcing What is journaled.
 * @param hasOutbox Whether effects are delivered.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` if it is not what a handler may return.
 */
export function checkHandlerResult(result: unknown, sourcing: Sourcing, hasOutbox: boolean): void {
  if (result === undefined) return;
  if (typeof result !== "object" || result === null || Array.isArray(result)) {
    const found = Array.isArray(result) ? "an array" : describeType(result);
    throw refused(`the handler must return an object or nothing, not ${found}`);
  }
  const known = RESULT_NAMES[sourcing];
  for (const name in result) {
    // Its own properties only, and those that say something.
    if (known[name] === true || !Object.hasOwn(result, name)) continue;
    if (Reflect.get(result, name) !== undefined) throw unknownResult(name, sourcing);
  }
  const { events, effects, reply, afterPersist }: UncheckedResult = result;
  if (reply !== undefined && typeof reply !== "function") {
    throw refused(`reply must be a function, not ${describeType(reply)}`);
  }
  if (afterPersist !== undefined && typeof afterPersist !== "function") {
    throw refused(`afterPersist must be a function, not ${describeType(afterPersist)}`);
  }
  if (events !== undefined && !Array.isArray(events)) {
    throw refused(`events must be an array, not ${describeType(events)}`);
  }
  if (effects === undefined) return;
  if (!Array.isArray(effects)) {
    throw refused(`effects must be an array, not ${describeType(effects)}`);
  }
  if (effects.length > 0 && !hasOutbox) {
    throw refused("it has effects, but the actor has no outbox");
  }
}

interface UncheckedResult {
  readonly events?: unknown;
  readonly effects?: unknown;
  readonly reply?: unknown;
  readonly afterPersist?: unknown;
}

function unknownResult(name: string, sourcing: Sourcing): ArgumentTypeError {
  const way = sourcing === "events" ? "event" : "command";
  const known = Object.keys(RESULT_NAMES[sourcing]).join(", ");
  return refused(
    `the handler returned ${JSON.stringify(name)}, with ${way} sourcing it may return ${known}`,
  );
}

function refused(reason: string): ArgumentTypeError {
  return new ArgumentTypeError(`Cannot handle message: ${reason}`);
}
