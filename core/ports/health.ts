/**
 * How a provider is.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { ProviderStats } from "./provider.ts";

/** What is asked of a provider's health. */
export interface HealthOptions {
  /**
   * How long a durable write, and after it a read, may take before the provider is unhealthy, in
   * milliseconds: an integer from 1 to 2^31 - 1.
   *
   * @default {5_000}
   */
  timeoutMs?: number;
  /**
   * How long a durable write may take before the provider is degraded, in milliseconds: an integer
   * of at least 0.
   *
   * @default {1_000}
   */
  maxWriteMs?: number;
  /**
   * How much of the space that the data may occupy may be in use before the provider is degraded:
   * from 0 to 1.
   *
   * @default {0.9}
   */
  maxUsedShare?: number;
  /**
   * How many transactions old the state may be that the oldest reader of the storage reads before
   * the provider is degraded: an integer of at least 0.
   *
   * @default {100_000}
   */
  maxReaderTransactions?: number;
}

/** The names of {@linkcode HealthOptions}. */
export const HEALTH_OPTION_NAMES: OptionNames<HealthOptions> = {
  timeoutMs: true,
  maxWriteMs: true,
  maxUsedShare: true,
  maxReaderTransactions: true,
};

/** Why a provider is not healthy. */
export interface HealthReason {
  /**
   * What is wrong. The provider is unhealthy:
   *
   * - `"closed"`: it is closed, or being closed.
   * - `"write-failed"`: a probe could not be written.
   * - `"read-failed"`: a probe, or the statistics, could not be read.
   * - `"timed-out"`: writing and reading a probe took longer than `timeoutMs`.
   *
   * It works, but is degraded:
   *
   * - `"slow"`: writing a probe took longer than `maxWriteMs`.
   * - `"nearly-full"`: the data occupies more than `maxUsedShare` of what it may.
   * - `"held-back"`: appends wait for room among what is pending.
   * - `"standing-reader"`: a reader keeps what was freed from being used again.
   * - `"not-collected"`: more of the log is hot than twice what may be, so it is not collected as
   *   fast as it grows.
   */
  readonly type:
    | "closed"
    | "write-failed"
    | "read-failed"
    | "timed-out"
    | "slow"
    | "nearly-full"
    | "held-back"
    | "standing-reader"
    | "not-collected";
  /** The same in words, with figures. */
  readonly message: string;
  /** The error, if there was one. */
  readonly error?: unknown;
}

/** How a provider is. */
export interface ProviderHealth {
  /** `"degraded"`: it works, but somebody should look at it. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  /** Why it is not healthy; none if it is. */
  readonly reasons: readonly HealthReason[];
  /**
   * How long it took to write a probe durably, in milliseconds. Absent if it was not written: the
   * storage is open read-only, or that failed.
   */
  readonly writeMs?: number;
  /** How long it took to read the probe, in milliseconds. Absent if that failed. */
  readonly readMs?: number;
  /** The statistics. Absent if they could not be read. */
  readonly stats?: ProviderStats;
}
