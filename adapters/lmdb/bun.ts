/**
 * Journals and snapshots on LMDB, on Bun.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { LmdbPersistenceProvider } from "@cajun/persistence/bun";
 *
 * const path = await mkdtemp(join(tmpdir(), "example-"));
 * const provider = await LmdbPersistenceProvider.open({ path });
 * console.log(await provider.createMessageJournal<string>().append("door-1", "opened")); // 0
 * await provider.close();
 * await rm(path, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./mod.ts";
