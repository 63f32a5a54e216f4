/**
 * Listening to abort signals that many calls share. Runtimes compare each new listener of a signal
 * with all others, and search them all to remove one, so a listener per call would cost time
 * quadratic in the number of calls.
 *
 * @module
 */

const watchers = new WeakMap<AbortSignal, Watchers>();

/** What is called when a signal aborts, in the order in which it was added. */
interface Watchers {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

/**
 * Calls a function once when a signal aborts.
 *
 * @param signal The signal, which has not aborted.
 * @param onAbort The function, which must not throw: a different one for each call.
 * @returns What stops that.
 */
export function watchAbort(signal: AbortSignal, onAbort: () => void): () => void {
  const { calls, listener } = watchers.get(signal) ?? startWatching(signal);
  calls.add(onAbort);
  return () => {
    if (!calls.delete(onAbort) || calls.size > 0) return;
    signal.removeEventListener("abort", listener);
    watchers.delete(signal);
  };
}

function startWatching(signal: AbortSignal): Watchers {
  const calls = new Set<() => void>();
  const listener = () => {
    watchers.delete(signal);
    for (const call of calls) {
      calls.delete(call);
      call();
    }
  };
  signal.addEventListener("abort", listener, { once: true });
  const started = { calls, listener };
  watchers.set(signal, started);
  return started;
}
