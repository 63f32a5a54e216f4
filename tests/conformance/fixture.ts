/**
 * What the suites share: opening and releasing places, and asserting errors.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
  type PersistenceErrorCode,
} from "../../core/errors/persistence_error.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import type { ProviderOptions } from "../../core/ports/provider.ts";
import type { Storage, StorageSupports } from "../../core/ports/storage.ts";
import type { ConformanceOptions, StorageFactory, StoragePlace } from "./types.ts";

/** Registers one case: a name, and what is run with what the case needs. */
export type RegisterCase<Run> = (name: string, run: Run) => void;

/** Makes what a case needs, runs it, and releases what it made. */
export type Within<Run> = (factory: StorageFactory, run: Run) => Promise<void>;

/**
 * Registers cases under the name of their suite.
 *
 * @param options The runner and the factory.
 * @param suite The name of the suite.
 * @param within Makes what each case needs.
 * @param flags The flags of `supports` without which the cases are skipped, if any.
 * @returns The function that registers one case.
 */
export function casesOf<Run>(
  { test, factory }: ConformanceOptions,
  suite: string,
  within: Within<Run>,
  ...flags: (keyof StorageSupports)[]
): RegisterCase<Run> {
  const supported = flags.every((flag) => factory.supports[flag]);
  const needs = flags.map((flag) => ` [supports.${flag}]`).join("");
  return (name, run) => {
    const runWithin = () => within(factory, run);
    if (supported) test(`${suite}: ${name}${needs}`, runWithin);
    else test.skip(`${suite}: ${name}${needs}`, runWithin);
  };
}

/**
 * Runs with a fresh place and removes it.
 *
 * @param factory Makes the place.
 * @param run What uses it. It closes what it opens.
 */
export async function withPlace(
  factory: StorageFactory,
  run: (place: StoragePlace) => Promise<void>,
): Promise<void> {
  const place = await factory.createPlace();
  try {
    await run(place);
  } finally {
    await place.cleanup();
  }
}

/**
 * Runs with a storage in a fresh place, closes it and removes the place.
 *
 * @param factory Makes the place.
 * @param run What uses the storage.
 */
export function withStorage(
  factory: StorageFactory,
  run: (storage: Storage, place: StoragePlace) => Promise<void>,
): Promise<void> {
  return withPlace(factory, async (place) => {
    const storage = await place.openStorage();
    try {
      await run(storage, place);
    } finally {
      await storage.close();
    }
  });
}

/** What runs with a provider, and with the storage that it is on. */
export type ProviderRun = (provider: PersistenceProvider, storage: Storage) => Promise<void>;

/**
 * Opens a provider on a storage in a fresh place, closes it and removes the place.
 *
 * @param options How the provider is opened.
 * @returns What runs with the provider.
 */
export function withProvider(options: ProviderOptions = {}): Within<ProviderRun> {
  return (factory, run) =>
    withStorage(factory, async (storage) => {
      const provider = await PersistenceProvider.openOn(storage, options);
      try {
        await run(provider, storage);
      } finally {
        await provider.close();
      }
    });
}

/**
 * Asserts that a call rejects, or throws, a {@linkcode PersistenceError} in its usual form.
 *
 * @param call The call.
 * @param code The code that the error must have.
 * @param details The details that it must have.
 * @returns The error.
 */
export async function assertFails(
  call: () => unknown,
  code: PersistenceErrorCode,
  details: Partial<
    Pick<PersistenceError, "actorId" | "kind" | "sequenceNumber" | "actualSequenceNumber">
  > = {},
): Promise<PersistenceError> {
  const error = await errorOf(call);
  if (!(error instanceof PersistenceError)) throw error;
  assert.equal(error.code, code, `${error.code} instead of ${code}: ${error.message}`);
  assertMessage(error);
  for (const [name, expected] of Object.entries(details)) {
    assert.equal(Reflect.get(error, name), expected, `${name} of "${error.message}"`);
  }
  return error;
}

/**
 * Asserts that a call that returns a promise rejects, without throwing, because of an argument.
 *
 * @param call The call.
 * @param type Whether the argument has the wrong type or is out of range.
 * @returns The error.
 */
export async function assertRefused(
  call: () => Promise<unknown>,
  type: "type" | "range",
): Promise<Error> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (error) {
    assert.fail(`thrown instead of rejected: ${error}`);
  }
  return assertArgumentError(await errorOf(() => promise), type);
}

/**
 * Asserts that a call throws because of an argument.
 *
 * @param call The call.
 * @param type Whether the argument has the wrong type or is out of range.
 * @returns The error.
 */
export function assertThrowsRefused(call: () => unknown, type: "type" | "range"): Error {
  try {
    call();
  } catch (error) {
    return assertArgumentError(error, type);
  }
  assert.fail("did not throw");
}

function assertArgumentError(error: unknown, type: "type" | "range"): Error {
  const expected = type === "type" ? ArgumentTypeError : ArgumentRangeError;
  if (!(error instanceof expected)) throw error;
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.ok(type === "type" ? error instanceof TypeError : error instanceof RangeError);
  assertMessage(error);
  return error;
}

function assertMessage({ message, cause }: Error): void {
  assert.match(message, /^Cannot /, "form of the message");
  // What others say at its end may have a period of theirs.
  const othersWords = cause instanceof Error && message.endsWith(cause.message);
  if (!othersWords) assert.doesNotMatch(message, /\.$/, "form of the message");
}

/**
 * The error that a call rejects with or throws.
 *
 * @param call The call, which must fail.
 * @returns The error.
 */
export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail("did not fail");
}

/**
 * The causes of an error, the nearest first.
 *
 * @param error The error.
 * @returns Its cause, the cause of that, and so on.
 */
export function causesOf(error: Error): unknown[] {
  return error.cause instanceof Error ? [error.cause, ...causesOf(error.cause)] : [error.cause];
}

/**
 * What a promise settles with, in a form that is easy to compare.
 *
 * @param promise The promise.
 * @returns Its value, or the code of the error that it rejects with.
 */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof PersistenceError) return error.code;
    throw error;
  }
}

/**
 * What promises settle with, see {@linkcode outcomeOf}.
 *
 * @param promises The promises.
 * @returns One outcome for each.
 */
export function outcomesOf(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map(outcomeOf));
}

/**
 * The integers from one to another.
 *
 * @param from The first.
 * @param to The last. Below `from`: none.
 * @returns The integers.
 */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

/** Waits until the clock shows another millisecond, so that what follows has a later timestamp. */
export async function nextMillisecond(): Promise<Date> {
  const before = Date.now();
  while (Date.now() === before) await new Promise((resolve) => setTimeout(resolve, 1));
  return new Date(before);
}
