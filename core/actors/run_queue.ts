/**
 * Which actors have an event to handle: one after the other, for all actors of the process, and never
 * on the stack of the caller that caused the event. So the stack is no deeper for a message that thousands of
 * actors pass on, and a caller that has come to the end of its stack leaves no actor half way.
 *
 * @module
 */

import { Fifo } from "../util/fifo.ts";

/** Kept from fake timers: those of Jest replace it, and run nothing until a test says so. */
const { queueMicrotask: inMicrotask } = globalThis;
const ready = new Fifo<() => void>();
let isScheduled = false;

/**
 * Runs something as soon as the caller has returned, after what was to run before.
 *
 * @param run What to run. It must not throw.
 */
export function runInTurn(run: () => void): void {
  ready.push(run);
  if (isScheduled) return;
  // It may throw if the caller is at the end of its stack: then the next call schedules both.
  inMicrotask(runAll);
  isScheduled = true;
}

function runAll(): void {
  try {
    for (let next = ready.shift(); next; next = ready.shift()) next();
  } finally {
    // A defect in one must not be the end of all.
    isScheduled = false;
  }
}
