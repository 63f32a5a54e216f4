/**
 * What is still held in memory: to find leaks by more than figures.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The part of the global object that is used. */
interface Globals {
  readonly setTimeout: unknown;
  readonly Bun?: { gc(synchronously: boolean): void };
}

/**
 * Counts the objects that something still refers to, after a collection of garbage.
 *
 * @param references Weak references to the objects.
 * @returns How many are left. An engine that looks at the stack may keep a few for no reason.
 */
export async function countHeld(references: readonly WeakRef<object>[]): Promise<number> {
  // Twice: what the first one finishes, such as the signals of Bun, lets go of more.
  for (const _ of [1, 2]) {
    // What a weak reference gave in a turn of the event loop is kept until that is over.
    await new Promise((resolve) => setTimeout(resolve, 0));
    collectGarbage();
  }
  return references.filter((reference) => reference.deref() !== undefined).length;
}

function collectGarbage(): void {
  const { Bun }: Globals = globalThis;
  if (Bun) return Bun.gc(true);
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}
