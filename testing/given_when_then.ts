/**
 * Tests of behaviors: given these events, when this command comes, then that happens.
 *
 * @module
 */

import type { Behavior } from "../core/actors/behavior.ts";
import type { ReplyTo } from "../core/actors/replies.ts";
import { checkActorId, checkOptions, describeType } from "../core/errors/arguments.ts";
import { ArgumentTypeError } from "../core/errors/persistence_error.ts";
import type { OptionNames } from "../core/util/option_names.ts";
import { Scenario } from "./behavior_test_error.ts";
import { runCommand } from "./event_run.ts";
import { Expectations, type When } from "./expectations.ts";
import { runMessage } from "./message_run.ts";
import type { CheckedOutcome } from "./outcome.ts";
import { type BehaviorTestOptions, ScratchStore } from "./scratch_store.ts";

const OPTION_NAMES: OptionNames<BehaviorTestOptions<unknown, unknown>> = {
  actorId: true,
  codec: true,
  messageSchema: true,
  stateSchema: true,
};

/** Tests of one behavior. */
export interface BehaviorTest<State, Message, Stored, Reply, Effect> {
  /**
   * Begins a test with what has been journaled before.
   *
   * @param stored The events, from the first one on. With command sourcing: the messages that changed
   *   something, or might have.
   * @returns What takes the command.
   */
  given(...stored: readonly Stored[]): Given<State, Message, Stored, Reply, Effect>;
}

/** A test that knows what was before. */
export interface Given<State, Message, Stored, Reply, Effect> {
  /**
   * Lets the behavior handle a command, which begins at once. Await what it returns, or what the
   * expectations return: else a failure is an unhandled rejection.
   *
   * @param message The command.
   * @returns What takes expectations.
   */
  when<const Sent extends Message>(
    message: Sent,
  ): When<State, Stored, ReplyTo<Message, Sent, Reply>, Effect>;
}

/**
 * Tests a behavior without a provider and without an actor: given these events, when this command
 * comes, then that happens. It stores all that the behavior gives in memory, and so finds on the way
 * what would break an actor after a restart; {@linkcode When} lists it. Handlers may be asynchronous.
 *
 * The order of properties, and of the members of Maps and Sets, does not matter to expectations. NaN
 * is equal to NaN, and -0 is not equal to 0.
 *
 * `handle` and `apply` are called more than once, as by an actor that is recovered; `reply` and
 * `afterPersist` are called once.
 *
 * @typeParam State The state.
 * @typeParam Message What is sent to the actor.
 * @typeParam Stored What is journaled.
 * @typeParam Reply What is answered.
 * @typeParam Effect What is handed to the outbox.
 * @param behavior What `eventSourced` or `commandSourced` made.
 * @param options How actors are stored, as far as it differs from the defaults.
 * @returns What begins tests.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the behavior or an option is
 *   invalid, or an option is unknown.
 *
 * @example An account
 * ```ts
 * import { eventSourced } from "@cajun/persistence";
 * import { behaviorTest } from "@cajun/persistence/testing";
 *
 * type Command = { deposit: number } | { withdraw: number };
 * type Event = { deposited: number } | { withdrawn: number };
 *
 * const account = eventSourced({
 *   initialState: 0,
 *   handle(balance: number, command: Command) {
 *     const reply = (balance: number) => balance;
 *     if ("deposit" in command) return { events: [{ deposited: command.deposit }], reply };
 *     if (command.withdraw > balance) throw new RangeError(`There are only ${balance}`);
 *     return { events: [{ withdrawn: command.withdraw }], reply };
 *   },
 *   apply: (balance: number, event: Event) =>
 *     "deposited" in event ? balance + event.deposited : balance - event.withdrawn,
 * });
 *
 * const { given } = behaviorTest(account);
 * await given({ deposited: 100 }).when({ withdraw: 30 }).thenEvents({ withdrawn: 30 }).thenReply(70);
 * await given({ deposited: 100 }).when({ withdraw: 130 }).thenRejects(RangeError);
 *
 * const { state } = await given().when({ deposit: 5 });
 * console.log(state); // 5
 * ```
 */
export function behaviorTest<State, Message, Stored, Reply, Effect>(
  behavior: Behavior<State, Message, Stored, Reply, Effect>,
  options: BehaviorTestOptions<Stored, State> = {},
): BehaviorTest<State, Message, Stored, Reply, Effect> {
  const operation = "test behavior";
  checkOptions(options, operation, OPTION_NAMES);
  if (options.actorId !== undefined) checkActorId(options.actorId, operation);
  if (behavior?.type !== "events" && behavior?.type !== "commands") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: behavior must be made by eventSourced or commandSourced, not ${
        describeType(behavior)
      }`,
    );
  }
  return {
    given: (...given) => ({
      when<const Sent extends Message>(message: Sent) {
        const scenario = new Scenario(given, message);
        // Which command is answered with what is declared by the user.
        const outcome = run(behavior, options, scenario, given, message) as Promise<
          CheckedOutcome<State, Stored, ReplyTo<Message, Sent, Reply>, Effect>
        >;
        return new Expectations(outcome, scenario);
      },
    }),
  };
}

async function run<State, Message, Stored, Reply, Effect>(
  behavior: Behavior<State, Message, Stored, Reply, Effect>,
  options: BehaviorTestOptions<Stored, State>,
  scenario: Scenario,
  given: readonly Stored[],
  message: Message,
): Promise<CheckedOutcome<State, Stored, Reply, Effect>> {
  await using store = await ScratchStore.open(options, scenario);
  if (behavior.type === "events") {
    return await runCommand(behavior.events, store, scenario, given, message);
  }
  // The messages are what is journaled.
  const messages = given as readonly unknown[] as readonly Message[];
  const journal = store as ScratchStore<unknown, State> as ScratchStore<Message, State>;
  const outcome = await runMessage(behavior.commands, journal, scenario, messages, message);
  return outcome as CheckedOutcome<State, unknown, Reply, Effect> as CheckedOutcome<
    State,
    Stored,
    Reply,
    Effect
  >;
}
