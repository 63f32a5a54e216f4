/**
 * What a test expects of an outcome.
 *
 * @module
 */

import { ArgumentTypeError } from "../core/errors/persistence_error.ts";
import { describeType } from "../core/errors/arguments.ts";
import { describeError, type Scenario } from "./behavior_test_error.ts";
import { isError } from "../core/util/built_ins.ts";
import { describeValue } from "./describe_value.ts";
import type { CheckedOutcome, CommandOutcome } from "./outcome.ts";

/** Which error is expected: its class, a part of its message, or a function that knows it. */
export type RejectionExpectation =
  | (abstract new (...args: never[]) => Error)
  | string
  | ((error: unknown) => boolean);

/**
 * A test that knows the command. It takes expectations until it is awaited; what it resolves to is
 * what came of the command. It rejects with `BehaviorTestError`
 *
 * - if an expectation is not met, or the command is rejected and no expectation says so;
 * - if something cannot be stored or does not come back as it was: the events, their metadata, the
 *   effects, the state before and after;
 * - if the handler returns what a handler may not, or an event-sourced one has changed the state;
 * - if a replay gives another state than there was at first: something depends on time, chance, the
 *   world, or an object that was changed later.
 */
export interface When<State, Stored, Reply, Effect>
  extends PromiseLike<CommandOutcome<State, Stored, Reply, Effect>> {
  /**
   * Expects just these events, in this order.
   *
   * @param expected The events. With command sourcing: the message, or nothing if it only reads or is
   *   refused.
   * @returns The same test.
   */
  thenEvents(...expected: readonly Stored[]): this;
  /**
   * Expects a state after the command.
   *
   * @param expected The state.
   * @returns The same test.
   */
  thenState(expected: State): this;
  /**
   * Expects an answer.
   *
   * @param expected The answer; `undefined` if there shall be none.
   * @returns The same test.
   */
  thenReply(expected: Reply): this;
  /**
   * Expects just these effects, in this order.
   *
   * @param expected The effects.
   * @returns The same test.
   */
  thenEffects(...expected: readonly Effect[]): this;
  /**
   * Expects that the asker gets an error: of the handler, of `reply` or of `afterPersist`.
   *
   * @param expected The class of the error; a part of its message; or a function that says whether it
   *   is the right one.
   * @returns The same test.
   */
  thenRejects(expected: RejectionExpectation): this;
  /**
   * Expects that the command has no consequences: no events and no effects, and the state is what it
   * was. It may be answered. With command sourcing the message may be journaled.
   *
   * @returns The same test.
   */
  thenNothing(): this;
}

/** Expectations of one outcome, which are checked when it is there. */
export class Expectations<State, Stored, Reply, Effect>
  implements When<State, Stored, Reply, Effect> {
  readonly #scenario: Scenario;
  readonly #checked: Promise<CommandOutcome<State, Stored, Reply, Effect>>;
  readonly #expectations: ((outcome: CheckedOutcome<State, Stored, Reply, Effect>) => void)[] = [];
  #mayReject = false;
  #isChecked = false;

  /**
   * @param outcome The outcome.
   * @param scenario Fails if an expectation is not met.
   */
  constructor(
    outcome: Promise<CheckedOutcome<State, Stored, Reply, Effect>>,
    scenario: Scenario,
  ) {
    this.#scenario = scenario;
    // It begins at once, and nobody handles its failure: so a test that is not awaited fails, too.
    this.#checked = outcome.then((outcome) => this.#check(outcome));
  }

  /** See {@linkcode When.thenEvents}. */
  thenEvents(...expected: readonly Stored[]): this {
    return this.#expect(({ events }) => this.#assertSame("events", events, expected));
  }

  /** See {@linkcode When.thenState}. */
  thenState(expected: State): this {
    return this.#expect(({ state }) => this.#assertSame("state", state, expected));
  }

  /** See {@linkcode When.thenReply}. */
  thenReply(expected: Reply): this {
    return this.#expect(({ reply, rejection }) => {
      if (rejection) this.#scenario.fail("There is no reply, for the command is rejected");
      this.#assertSame("reply", reply, expected);
    });
  }

  /** See {@linkcode When.thenEffects}. */
  thenEffects(...expected: readonly Effect[]): this {
    return this.#expect(({ effects }) => this.#assertSame("effects", effects, expected));
  }

  /** See {@linkcode When.thenRejects}. */
  thenRejects(expected: RejectionExpectation): this {
    if (typeof expected !== "function" && typeof expected !== "string") {
      throw new ArgumentTypeError(
        "Cannot expect a rejection: it must be a class of errors, a part of a message or a " +
          `function, not ${describeType(expected)}`,
      );
    }
    this.#mayReject = true;
    return this.#expect(({ rejection }) => {
      const description = describeExpectation(expected);
      if (!rejection) this.#scenario.fail(`It should be rejected with ${description}, and is not`);
      const { error } = rejection;
      if (matches(error, expected)) return;
      const reason = `It should be rejected with ${description}`;
      this.#scenario.fail(`${reason}, not with ${describeError(error)}`, { cause: error });
    });
  }

  /** See {@linkcode When.thenNothing}. */
  thenNothing(): this {
    return this.#expect(({ sourcing, events, effects, state, before }) => {
      if (sourcing === "events") this.#assertSame("events", events, []);
      this.#assertSame("effects", effects, []);
      this.#assertSame("state", state, before);
    });
  }

  /**
   * Waits for the outcome and the expectations.
   *
   * @param onFulfilled Called with the outcome, if all expectations are met.
   * @param onRejected Called with what is wrong.
   * @returns What they return.
   */
  then<Fulfilled = CommandOutcome<State, Stored, Reply, Effect>, Rejected = never>(
    onFulfilled?:
      | ((
        outcome: CommandOutcome<State, Stored, Reply, Effect>,
      ) => Fulfilled | PromiseLike<Fulfilled>)
      | null,
    onRejected?: ((error: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#checked.then(onFulfilled, onRejected);
  }

  #expect(check: (outcome: CheckedOutcome<State, Stored, Reply, Effect>) => void): this {
    if (this.#isChecked) {
      throw new TypeError("Cannot expect anything more: the test has been awaited already");
    }
    this.#expectations.push(check);
    return this;
  }

  #check(
    checked: CheckedOutcome<State, Stored, Reply, Effect>,
  ): CommandOutcome<State, Stored, Reply, Effect> {
    this.#isChecked = true;
    const { before: _before, sourcing: _sourcing, ...outcome } = checked;
    const { rejection } = outcome;
    if (rejection && !this.#mayReject) {
      this.#scenario.failBecause("The command is rejected", rejection.error);
    }
    for (const expectation of this.#expectations) expectation(checked);
    return outcome;
  }

  #assertSame(name: string, actual: unknown, expected: unknown): void {
    this.#scenario.assertSame(actual, expected, "expected", `Unexpected ${name}`);
  }
}

function matches(error: unknown, expected: RejectionExpectation): boolean {
  if (typeof expected === "string") {
    return isError(error) && error.message.includes(expected);
  }
  return isErrorClass(expected) ? error instanceof expected : expected(error);
}

function describeExpectation(expected: RejectionExpectation): string {
  if (typeof expected === "string") return `the message ${describeValue(expected)}`;
  return isErrorClass(expected) ? expected.name : "an error that the function accepts";
}

function isErrorClass(
  expected: Exclude<RejectionExpectation, string>,
): expected is abstract new (...args: never[]) => Error {
  // Also of another realm. The prototype of a function that knows an error has no message.
  return "message" in (expected.prototype ?? {});
}
