/**
 * Journals and snapshots on LMDB, for all runtimes. `@cajun/persistence/node`, `/bun` and `/deno`
 * are the usual entries.
 *
 * @module
 */

export { LmdbEnvironmentManager, type LmdbVerifyOptions } from "./environment.ts";
export type { VerificationProgress } from "./verify/data_file.ts";
export {
  type BackupManifest,
  type BackupOptions,
  type BackupProgress,
  restoreBackup,
} from "./backup.ts";
export type { LmdbDurability, LmdbEnvironmentOptions, LmdbVerification } from "./options.ts";
export { LmdbPersistenceProvider, type LmdbProviderOptions } from "./provider.ts";
export { LmdbStorage } from "./storage.ts";
