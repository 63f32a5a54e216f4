/**
 * The context of calls: what a call, and everything that it awaits, belongs to. By it an actor
 * notices that its own handler waits for it. Adapters bring the one of their runtime
 * (`AsyncLocalStorage` on Node, Bun and Deno).
 *
 * @module
 */

/** Carries a value along with a call and all that it awaits. */
export interface CallContext<Value> {
  /**
   * Tells what the call under way was given.
   *
   * @returns Its value, or `undefined` if it has none.
   */
  get(): Value | undefined;
  /**
   * Calls a function with a value.
   *
   * @param value What `get` gives in it, and after each `await` in it.
   * @param call The function.
   * @returns What it returns.
   */
  run<Result>(value: Value | undefined, call: () => Result): Result;
}
