/**
 * Lets calls prepare themselves at the same time, and act in the order in which they were made.
 *
 * @module
 */

/** Keeps the order of calls that have the same name. */
export class CallOrder {
  /** Of each name the last call that has not begun to act: settles when it does. */
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Makes a call.
   *
   * @param name What it keeps in order with.
   * @param prepare Called at once.
   * @param act Called when all calls of this name that were made before have begun to act, or failed.
   * @returns What it returns.
   * @throws {unknown} What one of them throws.
   */
  async run<Prepared, Result>(
    name: string,
    prepare: () => Promise<Prepared>,
    act: (prepared: Prepared) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last.get(name);
    let goOn = () => {};
    const own = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    this.#last.set(name, own);
    let acting: Promise<Result>;
    try {
      const prepared = await prepare();
      await before;
      acting = act(prepared);
    } finally {
      // If it has failed, those before it may not have begun yet.
      void Promise.resolve(before).then(() => {
        if (this.#last.get(name) === own) this.#last.delete(name);
        goOn();
      });
    }
    return await acting;
  }
}
