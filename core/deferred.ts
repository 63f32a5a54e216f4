/**
 * A promise together with what settles it.
 *
 * @module
 */

type Resolve = (value: unknown) => void;
type Reject = (error: unknown) => void;

let resolveLatest: Resolve;
let rejectLatest: Reject;

/** The same for all promises: a closure for each would cost as much as the promise. */
function capture(resolve: Resolve, reject: Reject): void {
  resolveLatest = resolve;
  rejectLatest = reject;
}

/** A promise together with what settles it. */
export class Deferred<Value> {
  /** The promise. */
  readonly promise: Promise<Value>;
  /** Resolves it. */
  readonly resolve: (value: Value) => void;
  /** Rejects it. */
  readonly reject: (error: unknown) => void;

  /** A promise that has not settled. */
  constructor() {
    // `capture` runs before the constructor of the promise returns.
    this.promise = new Promise<Value>(capture as (resolve: (value: Value) => void) => void);
    this.resolve = resolveLatest;
    this.reject = rejectLatest;
  }
}
