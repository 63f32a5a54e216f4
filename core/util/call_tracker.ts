/**
 * Counts the calls in flight, so that `flush` and `close` can wait for them. A call costs a
 * counter, not a promise.
 *
 * @module
 */

interface Waiter {
  /** The last call that it waits for. */
  readonly lastCall: number;
  unsettled: number;
  error: unknown;
  failed: boolean;
  readonly done: () => void;
}

/** Tracks the calls of one object that have not settled. */
export class CallTracker {
  #lastCall = 0;
  #unsettled = 0;
  #waiters: Waiter[] = [];

  /**
   * Records that a call has begun.
   *
   * @returns The number of the call, for {@linkcode CallTracker.succeed} or
   *   {@linkcode CallTracker.fail}.
   */
  begin(): number {
    this.#unsettled++;
    return ++this.#lastCall;
  }

  /**
   * Records that a call has succeeded.
   *
   * @param call The number of the call.
   */
  succeed(call: number): void {
    this.#unsettled--;
    for (const waiter of this.#waiters) if (call <= waiter.lastCall) this.#settle(waiter);
  }

  /**
   * Records that a call has failed.
   *
   * @param call The number of the call.
   * @param error The error that it failed with.
   */
  fail(call: number, error: unknown): void {
    for (const waiter of this.#waiters) {
      if (call > waiter.lastCall || waiter.failed) continue;
      waiter.failed = true;
      waiter.error = error;
    }
    this.succeed(call);
  }

  /**
   * Tracks a call that has a promise anyway.
   *
   * @param promise The promise of the call.
   * @returns The same promise.
   */
  watch<Result>(promise: Promise<Result>): Promise<Result> {
    const call = this.begin();
    promise.then(() => this.succeed(call), (error) => this.fail(call, error));
    return promise;
  }

  /** Resolves when every call so far has succeeded or failed. */
  async settled(): Promise<void> {
    await this.#wait();
  }

  /**
   * Resolves when every call so far has succeeded.
   *
   * @throws The error of the first call that failed, once all calls have settled.
   */
  async succeeded(): Promise<void> {
    const waiter = await this.#wait();
    if (waiter?.failed) throw waiter.error;
  }

  #wait(): Promise<Waiter | undefined> {
    if (this.#unsettled === 0) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        lastCall: this.#lastCall,
        unsettled: this.#unsettled,
        error: undefined,
        failed: false,
        done: () => resolve(waiter),
      };
      this.#waiters.push(waiter);
    });
  }

  #settle(waiter: Waiter): void {
    waiter.unsettled--;
    if (waiter.unsettled > 0) return;
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
    waiter.done();
  }
}
