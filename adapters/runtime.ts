/**
 * What the adapters for Node, Bun and Deno have in common: the clock and the context of calls of the
 * runtime. It imports nothing of a runtime, so it can be loaded anywhere; what a runtime does not have
 * is done without.
 *
 * @module
 */

import type { CallChain } from "../core/ports/actor_store.ts";
import type { CallContext } from "../core/ports/call_context.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Runtime } from "../core/ports/provider.ts";
import { systemClock } from "../core/util/system_clock.ts";

/** The parts of Node's API that are needed here, which Bun and Deno have, too. */
interface NodeGlobals {
  readonly process?: {
    getBuiltinModule?(name: "node:async_hooks"): {
      readonly AsyncLocalStorage: new () => AsyncStorage;
    } | undefined;
  };
  readonly Deno?: { unrefTimer(timer: unknown): void };
}

interface AsyncStorage {
  getStore(): CallChain | undefined;
  run<Result>(value: CallChain | undefined, call: () => Result): Result;
}

/** The clock and the context of calls of the runtime that this is loaded in. */
export const runtime: Runtime = makeRuntime(globalThis as NodeGlobals);

function makeRuntime({ process, Deno }: NodeGlobals): Runtime {
  const clock = Deno ? denoClock(Deno) : systemClock;
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  return hooks ? { clock, callContext: callContextOf(new hooks.AsyncLocalStorage()) } : { clock };
}

/**
 * On Deno the runtime detaches a timer, whether it is a number or, as in later versions, an object;
 * a method of that object, if it has one, does not.
 */
function denoClock(deno: NonNullable<NodeGlobals["Deno"]>): Clock {
  return {
    ...systemClock,
    setTimer(callback, delayMs, keepsAlive) {
      const timer = setTimeout(callback, delayMs);
      if (!keepsAlive) deno.unrefTimer(timer);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

function callContextOf(storage: AsyncStorage): CallContext<CallChain> {
  return {
    get: () => storage.getStore(),
    run: (value, call) => storage.run(value, call),
  };
}
