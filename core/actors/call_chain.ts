/**
 * Which callbacks wait for a call. An actor handles one message at a time, so a handler that awaits
 * its own actor, directly or by way of others, would wait for ever; so would a callback that awaits
 * the stop that waits for it. The context of calls tells, so such a call is refused at once, and
 * names the circle.
 *
 * A callback that has ended waits for nothing, though timers that it has started still belong to its
 * context.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { CallChain } from "../ports/actor_store.ts";
import type { CallContext } from "../ports/call_context.ts";
import { isPromise } from "../util/promises.ts";

/** Callbacks that wait for each other. */
export interface Circle {
  /** `DEADLOCK`, with the circle. */
  readonly error: PersistenceError;
  /** Whether all of them wait: a message that was told need not be awaited. */
  readonly isCertain: boolean;
}

/**
 * Finds out whether a call would wait for itself.
 *
 * @param chain The callbacks that the call belongs to, the innermost first.
 * @param isAwaited Whether the call waits for a callback of the chain.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The circle; `undefined` if there is none.
 */
export function findCircle(
  chain: CallChain | undefined,
  isAwaited: (link: CallChain) => boolean,
  operation: string,
): Circle | undefined {
  const names: string[] = [];
  let isCertain = true;
  for (let link = chain; link && !link.isOver; link = link.caller) {
    names.push(link.name);
    if (isAwaited(link)) return { error: circleError(link, names, operation), isCertain };
    isCertain &&= link.isAsked;
  }
  return undefined;
}

/**
 * The error of a call that certainly waits for itself, if it is awaited.
 *
 * @param chain The callbacks that the call belongs to, the innermost first.
 * @param isAwaited Whether the call waits for a callback of the chain.
 * @param operation What the caller is about to do, for the error's message.
 * @returns `DEADLOCK`, with the circle; `undefined` if there is none, or it is not certain.
 */
export function certainCircle(
  chain: CallChain | undefined,
  isAwaited: (link: CallChain) => boolean,
  operation: string,
): PersistenceError | undefined {
  const circle = findCircle(chain, isAwaited, operation);
  return circle?.isCertain ? circle.error : undefined;
}

/**
 * Calls a callback, so that what it calls knows for whom.
 *
 * @param context The context of calls, if the runtime has one.
 * @param link The callback. It is over when the callback has ended.
 * @param call Calls it.
 * @returns What it returns.
 */
export function callAs<Result>(
  context: CallContext<CallChain> | undefined,
  link: CallChain,
  call: () => Result,
): Result {
  return context ? context.run(link, () => callIn(link, call)) : call();
}

/**
 * Calls a callback within the context of its link.
 *
 * @param link The callback. It is over when the callback has ended.
 * @param call Calls it.
 * @returns What it returns.
 */
export function callIn<Result>(link: CallChain, call: () => Result): Result {
  link.isOver = false;
  let isPending = false;
  try {
    const result = call();
    isPending = isPromise<unknown>(result);
    if (isPending) endWith(link, result);
    return result;
  } finally {
    if (!isPending) link.isOver = true;
  }
}

function endWith(link: CallChain, result: unknown): void {
  const end = () => {
    link.isOver = true;
  };
  // It may be any object with a `then`, so it is not relied on.
  Promise.resolve(result).then(end, end);
}

function circleError(
  link: CallChain,
  names: readonly string[],
  operation: string,
): PersistenceError {
  const circle = [...names.toReversed(), link.name].join(" waits for ");
  return new PersistenceError(
    "DEADLOCK",
    `Cannot ${operation}: its ${link.role} would wait for itself (${circle}); do not await this in it`,
    { actorId: link.actorId, kind: link.kind },
  );
}
