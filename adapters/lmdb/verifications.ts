/**
 * Checks of the data file of an open environment, while others go on.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import { callAndForget } from "../../core/util/settled.ts";
import { messageOf } from "../../core/util/text.ts";
import { checkOpenDataFile, type VerificationProgress } from "./verify/data_file.ts";

/** Keeps a state of the data file, with all its pages, until it is done. */
export interface StateReader {
  /** Ends the reading. */
  done(): void;
}

/** The checks that are under way. They end before the environment is closed. */
export class Verifications {
  readonly #running = new Set<Promise<void>>();
  #isClosing = false;

  /**
   * Checks all pages of the newest state.
   *
   * @param path The data file.
   * @param reader Keeps the newest state. It is done when the check has ended.
   * @param signal Ends the check.
   * @param onProgress Called now and then with how far it has come.
   * @throws {PersistenceError} `CORRUPT`, `UNSUPPORTED_FORMAT`; `STORAGE_FAILED` if the file cannot
   *   be read; `CLOSED` if {@linkcode Verifications.end} is called.
   * @throws {unknown} The signal's reason; what `onProgress` throws, or its promise rejects with.
   */
  async run(
    path: string,
    reader: StateReader,
    signal: AbortSignal | undefined,
    onProgress: (progress: VerificationProgress) => void,
  ): Promise<void> {
    let stop: { readonly reason: unknown } | undefined;
    const goOn = (progress: VerificationProgress): unknown => {
      signal?.throwIfAborted();
      this.#assertOpen();
      return onProgress(progress);
    };
    const check = checkOpenDataFile(path, (progress) => {
      callAndForget(() => goOn(progress), (reason) => stop ??= { reason });
      if (stop) throw stop.reason;
    });
    const ended = check.then(() => {}, () => {
      // The caller gets the error.
    });
    this.#running.add(ended);
    try {
      await check;
    } catch (error) {
      if (stop || error instanceof PersistenceError) throw error;
      throw new PersistenceError("STORAGE_FAILED", `Cannot verify "${path}": ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      reader.done();
      this.#running.delete(ended);
    }
    // The promise of the last call may have rejected since.
    if (stop) throw stop.reason;
  }

  /** Ends the checks that are under way. */
  async end(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#running);
  }

  #assertOpen(): void {
    if (!this.#isClosing) return;
    throw new PersistenceError("CLOSED", "Cannot verify: the environment has been closed");
  }
}
