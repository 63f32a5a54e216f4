/**
 * Lets everything else in the process have a turn, however much the actors have to do: messages that
 * lead to messages would otherwise keep timers and sockets waiting for ever.
 *
 * @module
 */

/** How long the actors of a process may go on, in milliseconds. */
const MAX_TURN_MS = 20;
/** The time is looked at only now and then, and soon enough if handlers are slow. */
const MESSAGES_PER_LOOK = 16;

let messages = 0;
/** When it was first looked at in this turn of the event loop. */
let startedAtMs: number | undefined;
/** During a break: how those go on who had to stop. */
let stopped: Set<() => void> | undefined;

/**
 * Whether an actor must have a break before it begins a message. All actors of the process count
 * together: a message that many of them pass on in a circle takes long, though none does much.
 *
 * @param goOn Called after the break.
 * @returns Whether it must.
 */
export function mustPause(goOn: () => void): boolean {
  if (!stopped && isTurnOver()) beginBreak();
  stopped?.add(goOn);
  return stopped !== undefined;
}

function isTurnOver(): boolean {
  if (++messages % MESSAGES_PER_LOOK > 0) return false;
  const nowMs = performance.now();
  if (startedAtMs !== undefined) return nowMs - startedAtMs > MAX_TURN_MS;
  startedAtMs = nowMs;
  // When this is called, others have had their turn.
  setTimeout(() => startedAtMs = undefined, 0);
  return false;
}

function beginBreak(): void {
  const waiting = new Set<() => void>();
  stopped = waiting;
  setTimeout(() => {
    stopped = undefined;
    for (const goOn of waiting) goOn();
  }, 0);
}
