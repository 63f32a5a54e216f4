/**
 * What came of a callback of a user.
 *
 * @module
 */

import { isPromise, type MaybePromise } from "./promises.ts";

/** What a callback gave, or threw. */
export type Settled<Value> =
  | { readonly type: "value"; readonly value: Value }
  | { readonly type: "error"; readonly error: unknown };

/**
 * Calls a callback that nobody waits for.
 *
 * @param call The callback.
 * @param fail Called with what it throws, or its promise rejects with.
 */
export function callAndForget(call: () => unknown, fail: (error: unknown) => void): void {
  const settled = settle(call);
  const tell = (settled: Settled<unknown>) => {
    if (settled.type === "error") fail(settled.error);
  };
  if (isPromise(settled)) void settled.then(tell);
  else tell(settled);
}

/**
 * Calls a callback. Neither does this throw, nor does its promise reject.
 *
 * @param call The callback.
 * @returns What came of it.
 */
export function settle<Value>(call: () => MaybePromise<Value>): MaybePromise<Settled<Value>> {
  try {
    const result = call();
    if (!isPromise(result)) return { type: "value", value: result };
    // It may be any object with a `then`, so it is not relied on.
    return Promise.resolve(result).then(
      (value): Settled<Value> => ({ type: "value", value }),
      (error: unknown): Settled<Value> => ({ type: "error", error }),
    );
  } catch (error) {
    return { type: "error", error };
  }
}
