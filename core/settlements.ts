/**
 * Keeps count of calls under way, so that `flush` and `close` can wait for them. It costs a counter
 * per call, not a promise.
 *
 * @module
 */

interface Waiter {
  /** It waits for the calls up to this one. */
  readonly lastCall: number;
  unsettled: number;
  error: unknown;
  failed: boolean;
  readonly done: () => void;
}

/** The calls of one object that have not settled. */
export class Settlements {
  #lastCall = 0;
  #unsettled = 0;
  #waiters: Waiter[] = [];

  /**
   * A call begins.
   *
   * @returns Its number, for its end.
   */
  begin(): number {
    this.#unsettled++;
    return ++this.#lastCall;
  }

  /**
   * A call has settled well.
   *
   * @param call Its number.
   */
  succeed(call: number): void {
    this.#unsettled--;
    for (const waiter of this.#waiters) if (call <= waiter.lastCall) this.#settle(waiter);
  }

  /**
   * A call has failed.
   *
   * @param call Its number.
   * @param error Why.
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
   * Keeps count of a call that has a promise anyway.
   *
   * @param promise The promise.
   * @returns The same promise.
   */
  watch<Result>(promise: Promise<Result>): Promise<Result> {
    const call = this.begin();
    promise.then(() => this.succeed(call), (error) => this.fail(call, error));
    return promise;
  }

  /** Resolves when every call so far has settled, whether well or not. */
  async settled(): Promise<void> {
    await this.#wait();
  }

  /** Resolves when every call so far has settled well; rejects with the first error if not. */
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
