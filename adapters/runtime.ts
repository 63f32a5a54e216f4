/**
 * What the adapters for Node, Bun and Deno have in common: the clock, the context of calls, and a
 * channel for events. It imports nothing of a runtime, so it can be loaded anywhere; what a runtime
 * does not have is done without.
 *
 * @module
 */

import type { CallChain } from "../core/ports/actor_store.ts";
import type { CallContext } from "../core/ports/call_context.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Runtime } from "../core/ports/provider.ts";
import type { Telemetry } from "../core/ports/telemetry.ts";
import { systemClock } from "../core/util/system_clock.ts";

/** The parts of Node's API that are needed here, which Bun and Deno have, too. */
interface NodeGlobals {
  readonly process?: {
    getBuiltinModule?(name: "node:async_hooks"): {
      readonly AsyncLocalStorage: new () => AsyncStorage;
    } | undefined;
    getBuiltinModule?(name: "node:diagnostics_channel"): {
      channel(name: string): DiagnosticsChannel;
    } | undefined;
  };
  readonly Deno?: { unrefTimer(timer: unknown): void };
}

interface AsyncStorage {
  getStore(): CallChain | undefined;
  run<Result>(value: CallChain | undefined, call: () => Result): Result;
}

interface DiagnosticsChannel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** The channel of `node:diagnostics_channel` on which all events are published. */
const CHANNEL = "cajun.persistence";

/** The clock, the context of calls and the channel of events of the runtime that this is loaded in. */
export const runtime: Runtime = makeRuntime(globalThis as NodeGlobals);

function makeRuntime({ process, Deno }: NodeGlobals): Runtime {
  const clock = Deno ? denoClock(Deno) : systemClock;
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  const diagnostics = process?.getBuiltinModule?.("node:diagnostics_channel");
  return {
    clock,
    ...(hooks && { callContext: callContextOf(new hooks.AsyncLocalStorage()) }),
    ...(diagnostics && { telemetry: telemetryOf(diagnostics.channel(CHANNEL)) }),
  };
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

function telemetryOf(channel: DiagnosticsChannel): Telemetry {
  return {
    get isEnabled() {
      return channel.hasSubscribers;
    },
    onEvent: (event) => channel.publish(event),
  };
}
