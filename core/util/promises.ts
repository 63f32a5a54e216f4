/**
 * Promises, and functions that may return one.
 *
 * @module
 */

type Resolve = (value: unknown) => void;
type Reject = (error: unknown) => void;

let resolveLatest: Resolve;
let rejectLatest: Reject;

/** One function for all promises: a closure for each would cost as much as the promise. */
function capture(resolve: Resolve, reject: Reject): void {
  resolveLatest = resolve;
  rejectLatest = reject;
}

function ignore(): void {}

/** A promise with the functions that settle it. */
export class Deferred<Value> {
  /** The promise. */
  readonly promise: Promise<Value>;
  /** Resolves it. */
  readonly resolve: (value: Value) => void;
  /** Rejects it. */
  readonly reject: (error: unknown) => void;

  /** Creates a promise that has not settled. */
  constructor() {
    const before = resolveLatest;
    // `capture` runs before the constructor of `Promise` returns.
    this.promise = new Promise<Value>(capture as (resolve: (value: Value) => void) => void);
    // At the end of the stack it does not, and nobody must settle the promise of somebody else.
    if (resolveLatest === before) {
      this.promise.catch(() => {});
      throw new RangeError("Cannot make a promise: the stack has come to its end");
    }
    this.resolve = resolveLatest;
    this.reject = rejectLatest;
  }
}

/** A value, or a promise of one. A storage on a memory map has its answer at once. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Whether a value is a promise.
 *
 * @param value What a function that may be asynchronous has returned.
 * @returns Whether the value has to be awaited.
 */
export function isPromise<Value>(value: MaybePromise<Value>): value is Promise<Value> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/**
 * Whether a function that must be synchronous has returned a promise. Nothing awaits such a
 * promise, so its rejection is ignored: it must not end the process.
 *
 * @param value What the function has returned.
 * @returns Whether it is a promise.
 */
export function isUnwantedPromise(value: unknown): value is Promise<unknown> {
  if (!isPromise(value)) return false;
  try {
    // Of a promise, also of another realm. To call a `then` that is not a promise's might begin
    // something; this refuses it.
    void Promise.prototype.then.call(value, ignore, ignore);
  } catch {
    // It is no promise, or its class does not allow this: then nothing can be done about it.
  }
  return true;
}

/**
 * Waits for some time.
 *
 * @param delayMs How long to wait, in milliseconds, at most 2^31 - 1.
 * @param signal Ends the wait early, without an error: the caller checks the signal anyway.
 * @returns Resolves after the delay, or when the signal aborts.
 */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, delayMs);
    signal?.addEventListener("abort", wake);
  });
}

/**
 * A promise that rejects, and does not end the process if nobody waits for it.
 *
 * @param error What it rejects with.
 * @returns The promise.
 */
export function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
