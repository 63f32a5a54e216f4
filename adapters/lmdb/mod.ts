/**
 * The LMDB adapter, written once for all runtimes. `@cajun/persistence/node`, `/bun` and `/deno` are
 * its usual entries.
 *
 * @module
 */

export { LmdbEnvironmentManager } from "./environment.ts";
export type { LmdbDurability, LmdbEnvironmentOptions } from "./options.ts";
export { LmdbPersistenceProvider, type LmdbProviderOptions } from "./provider.ts";
export { LmdbStorage } from "./storage.ts";
