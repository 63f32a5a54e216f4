import type { Storage, StorageSupports } from "../../core/ports/storage.ts";

/**
 * What the suites need of a test runner. `test` of `node:test`, `it` of `@std/testing/bdd`,
 * Vitest's and Jest's `test` all have this shape.
 */
export interface TestFunction {
  /**
   * Registers one test.
   *
   * @param name The name, unique within one suite and one storage.
   * @param run The test. It fails if it throws or rejects.
   */
  (name: string, run: () => Promise<void> | void): void;

  /**
   * Registers a test that is reported as skipped.
   *
   * @param name The name. It ends with the flag of `supports` that is false.
   * @param run The test, which is not run.
   */
  skip(name: string, run: () => Promise<void> | void): void;
}

/** How a suite opens the storage under test. */
export interface OpenStorageOptions {
  /**
   * Refuses every commit with `READ_ONLY`. Only used if `supports.readOnly` is true.
   *
   * @default {false}
   */
  readOnly?: boolean;
  /**
   * The size limit in bytes, a multiple of 1 MiB. Only used if `supports.sizeLimit` is true. No
   * limit of the suite's by default.
   *
   * @default {undefined}
   */
  limitBytes?: number;
}

/** A place for the data of one test, such as a temporary directory. */
export interface StoragePlace {
  /**
   * Opens the storage of this place. A suite opens a place again only after it has closed the
   * storage that it had opened before: that is how it reopens one.
   *
   * @param options How to open it.
   * @returns The storage.
   */
  openStorage(options?: OpenStorageOptions): Promise<Storage>;

  /** Removes the place with its data. Every storage that was opened there has been closed. */
  cleanup(): Promise<void>;
}

/**
 * Makes places for the storage under test.
 *
 * @example Places in memory
 * ```ts
 * import type { StorageFactory } from "@cajun/persistence/conformance";
 * import { MemoryDatabase, MemoryStorage } from "@cajun/persistence/memory";
 *
 * const factory: StorageFactory = {
 *   supports: (await MemoryStorage.open()).supports,
 *   createPlace() {
 *     const database = new MemoryDatabase();
 *     return Promise.resolve({
 *       openStorage: ({ readOnly = false, limitBytes } = {}) =>
 *         MemoryStorage.open({
 *           database,
 *           readOnly,
 *           ...(limitBytes !== undefined && { maxBytes: limitBytes }),
 *         }),
 *       cleanup: () => Promise.resolve(),
 *     });
 *   },
 * };
 * console.log(factory.supports.reopen); // true
 * ```
 */
export interface StorageFactory {
  /** What the storage can do. Nothing else decides which cases are skipped. */
  readonly supports: StorageSupports;

  /**
   * Makes a fresh, empty place. Every case makes its own.
   *
   * @returns The place.
   */
  createPlace(): Promise<StoragePlace>;
}

/** The options of every suite. */
export interface ConformanceOptions {
  /** The test runner. */
  test: TestFunction;
  /** Makes places for the storage under test. */
  factory: StorageFactory;
  /**
   * An integer that decides what the randomised cases do. A randomised case that fails names the
   * seed that it ran with; pass it to repeat the run. A different one each time by default.
   *
   * @default {undefined}
   */
  seed?: number;
}
