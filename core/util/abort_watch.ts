/**
 * Listens to abort signals that many calls share. Runtimes compare each new listener of a signal
 * with all the others, and search them all to remove one, so one listener per call would take time
 * quadratic in the number of calls.
 *
 * @module
 */

const watchers = new WeakMap<AbortSignal, Watchers>();

/** The functions to call when a signal aborts, in the order in which they were added. */
interface Watchers {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

/**
 * Calls a function once when a signal aborts.
 *
 * @param signal The signal. It must not have aborted yet.
 * @param onAbort The function. It must not throw, and each call needs a function of its own.
 * @returns A function that stops watching.
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
