/**
 * The error of a behavior that does not do what a test expects, or what an actor relies on.
 *
 * @module
 */

import { isError } from "../core/util/built_ins.ts";
import { describeDifference, findDifference, type Likeness } from "./difference.ts";
import { describeValue, indent } from "./describe_value.ts";

/** What failed, beside the message. */
export interface BehaviorTestErrorDetails {
  /**
   * What was expected.
   *
   * @default {undefined}
   */
  readonly expected?: unknown;
  /**
   * What was found instead.
   *
   * @default {undefined}
   */
  readonly actual?: unknown;
  /**
   * The error that caused this one.
   *
   * @default {undefined}
   */
  readonly cause?: unknown;
}

/**
 * A behavior does not do what a test expects, or what an actor relies on. The message says what, and
 * what was given; test runners show `expected` and `actual`, too.
 *
 * @example What went wrong
 * ```ts
 * import { commandSourced } from "@cajun/persistence";
 * import { behaviorTest, BehaviorTestError } from "@cajun/persistence/testing";
 *
 * const sum = commandSourced({
 *   initialState: 0,
 *   handle: (sum: number, add: number) => ({ state: sum + add }),
 * });
 * try {
 *   await behaviorTest(sum).given(1).when(2).thenState(4);
 * } catch (error) {
 *   if (!(error instanceof BehaviorTestError)) throw error;
 *   console.log(error.expected, error.actual); // 4 3
 * }
 * ```
 */
export class BehaviorTestError extends Error {
  /** What was expected, if something was. */
  readonly expected: unknown;
  /** What was found instead. */
  readonly actual: unknown;

  /**
   * Creates an error.
   *
   * @param message What is wrong, and what was given.
   * @param details What was expected and found, and the cause.
   */
  constructor(message: string, details: BehaviorTestErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.name = "BehaviorTestError";
    this.expected = details.expected;
    this.actual = details.actual;
  }
}

/** What a test gives to a behavior, for the messages of its failures. */
export class Scenario {
  readonly #given: readonly unknown[];
  readonly #message: unknown;
  /** Where the test has called. */
  readonly #frames: string;

  /**
   * @param given What was journaled before.
   * @param message The message.
   */
  constructor(given: readonly unknown[], message: unknown) {
    this.#given = given;
    this.#message = message;
    const lines = new Error().stack?.split("\n") ?? [];
    // Without those of this constructor and of `when`.
    this.#frames = lines.filter((line) => /^\s+at /.test(line)).slice(2).join("\n");
  }

  /**
   * Fails.
   *
   * @param reason What is wrong.
   * @param details What was expected and found, and the cause.
   * @throws {BehaviorTestError} Always.
   */
  fail(reason: string, details: BehaviorTestErrorDetails = {}): never {
    const sections = [
      ..."expected" in details ? [["Expected", describeValue(details.expected)]] : [],
      ..."actual" in details ? [["Actual", describeValue(details.actual)]] : [],
      ["Given", this.#given.map(describeValue).join("\n") || "nothing"],
      ["When", describeValue(this.#message)],
    ];
    const described = sections.map(([title, text = ""]) => `${title}:\n${indent(text)}`);
    const error = new BehaviorTestError([reason, "", ...described].join("\n"), details);
    // It is thrown later, where the test is not on the stack any more.
    error.stack = `${error.name}: ${error.message}\n${this.#frames}`;
    throw error;
  }

  /**
   * Fails because of an error that was thrown.
   *
   * @param reason What is wrong.
   * @param cause What was thrown.
   * @throws {BehaviorTestError} Always.
   */
  failBecause(reason: string, cause: unknown): never {
    this.fail(`${reason}: ${describeError(cause)}`, { cause });
  }

  /**
   * Fails if two values differ.
   *
   * @param actual What was found.
   * @param expected What was expected.
   * @param likeness How much alike they must be.
   * @param reason What is wrong if they differ.
   * @throws {BehaviorTestError} If they differ.
   */
  assertSame(actual: unknown, expected: unknown, likeness: Likeness, reason: string): void {
    const difference = findDifference(actual, expected, likeness);
    if (!difference) return;
    this.fail(`${reason}: ${describeDifference(difference)}`, { expected, actual });
  }
}

/**
 * Names an error.
 *
 * @param error What was thrown.
 * @returns Its class and message.
 */
export function describeError(error: unknown): string {
  return isError(error) ? `${error.name}: ${error.message}` : describeValue(error);
}
