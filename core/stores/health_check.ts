/**
 * How a provider is: whether its storage works, by a probe, and what its statistics say.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { checkInteger } from "../errors/arguments.ts";
import { ArgumentRangeError, PersistenceError } from "../errors/persistence_error.ts";
import { encodeProbe, HEALTH_KEY, verifyProbe } from "../format/store_info.ts";
import type { Clock } from "../ports/clock.ts";
import type { HealthOptions, HealthReason, ProviderHealth } from "../ports/health.ts";
import type { ProviderStats } from "../ports/provider.ts";
import type { Storage } from "../ports/storage.ts";
import { messageOf } from "../util/text.ts";

const OPERATION = "check health";
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const DEFAULTS: Required<HealthOptions> = {
  timeoutMs: 5_000,
  maxWriteMs: 1_000,
  maxUsedShare: 0.9,
  maxReaderTransactions: 100_000,
};
/** So many times the limit of what may be hot is no passing peak. */
const MAX_HOT_FACTOR = 2;

const UNHEALTHY: ReadonlySet<HealthReason["type"]> = new Set<HealthReason["type"]>([
  "closed",
  "write-failed",
  "read-failed",
  "timed-out",
]);

/** What a health check looks at. */
export interface HealthServices {
  /** The storage that the probe is read from. */
  readonly storage: Storage;
  /** The queue that commits it. */
  readonly queue: CommitQueue;
  /** The clock that it is timed by. */
  readonly clock: Clock;
  /** How many bytes of the log may be hot. */
  readonly maxHotBytes: number;
  /** Reads the statistics. */
  readonly stats: () => Promise<ProviderStats>;
}

/** What came of a probe. */
type Findings = Omit<ProviderHealth, "status">;

/**
 * Checks the limits of a health check.
 *
 * @param options The limits.
 * @returns The limits with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid.
 */
export function checkHealthOptions(options: HealthOptions): Required<HealthOptions> {
  const {
    timeoutMs = DEFAULTS.timeoutMs,
    maxWriteMs = DEFAULTS.maxWriteMs,
    maxUsedShare = DEFAULTS.maxUsedShare,
    maxReaderTransactions = DEFAULTS.maxReaderTransactions,
  } = options;
  const most = Number.MAX_SAFE_INTEGER;
  checkInteger(timeoutMs, "timeoutMs", 1, MAX_TIMEOUT_MS, OPERATION);
  checkInteger(maxWriteMs, "maxWriteMs", 0, most, OPERATION);
  checkInteger(maxReaderTransactions, "maxReaderTransactions", 0, most, OPERATION);
  if (maxUsedShare >= 0 && maxUsedShare <= 1) {
    return { timeoutMs, maxWriteMs, maxUsedShare, maxReaderTransactions };
  }
  throw new ArgumentRangeError(
    `Cannot ${OPERATION}: maxUsedShare must be a number from 0 to 1, not ${String(maxUsedShare)}`,
  );
}

/**
 * The health of a provider that is closed.
 *
 * @returns Its health.
 */
export function closedHealth(): ProviderHealth {
  return healthOf({ reasons: [{ type: "closed", message: "the provider is closed" }] });
}

/** Checks a storage by a probe: the record `health` in the keyspace "meta". */
export class HealthCheck {
  readonly #services: HealthServices;
  #probes = 0;

  /** @param services What it looks at. */
  constructor(services: HealthServices) {
    this.#services = services;
  }

  /**
   * Writes a probe, durably, and reads it back. If the storage is open read-only, it only reads.
   *
   * @returns Whether that works. It never rejects.
   */
  async works(): Promise<boolean> {
    const { reasons } = await this.#probe();
    return reasons.length === 0;
  }

  /**
   * Writes a probe, reads it back, and looks at the statistics.
   *
   * @param limits What is too much.
   * @returns What it has found. It never rejects.
   */
  async run(limits: Required<HealthOptions>): Promise<ProviderHealth> {
    const { timeoutMs } = limits;
    const found = await this.#withinTime(timeoutMs, async () => {
      const probed = await this.#probe();
      const stats = await this.#stats();
      return { ...probed, ...stats, reasons: [...probed.reasons, ...stats.reasons] };
    });
    const late: HealthReason = {
      type: "timed-out",
      message: `writing and reading a probe took longer than ${timeoutMs} ms`,
    };
    if (!found) return healthOf({ reasons: [late] });
    return healthOf({ ...found, reasons: [...found.reasons, ...this.#warnings(found, limits)] });
  }

  async #probe(): Promise<Findings> {
    const { clock } = this.#services;
    let startedAtMs = clock.monotonic();
    let writeMs: number | undefined;
    try {
      await this.#write();
      writeMs = clock.monotonic() - startedAtMs;
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "READ_ONLY") {
        return { reasons: [failure("write-failed", "a probe could not be written", error)] };
      }
    }
    const written = writeMs === undefined ? {} : { writeMs };
    startedAtMs = clock.monotonic();
    try {
      await this.#read(writeMs !== undefined);
      return { reasons: [], ...written, readMs: clock.monotonic() - startedAtMs };
    } catch (error) {
      const reason = failure("read-failed", "a probe could not be read", error);
      return { reasons: [reason], ...written };
    }
  }

  async #write(): Promise<void> {
    const value = encodeProbe(Date.now(), ++this.#probes);
    await this.#services.queue.write({
      conditions: [],
      changes: [{ type: "put", keyspace: "meta", key: HEALTH_KEY, value, version: 0 }],
    });
  }

  async #read(isWritten: boolean): Promise<void> {
    const { storage } = this.#services;
    const stored = await storage.get("meta", HEALTH_KEY);
    // An engine may notice here that its files are gone, which reading does not show.
    if (!isWritten) return void await storage.stats();
    // Another process may have probed in the meantime: its probe is as good as ours.
    if (!stored) throw new Error("it is not there");
    verifyProbe(stored);
  }

  async #stats(): Promise<Findings> {
    try {
      return { reasons: [], stats: await this.#services.stats() };
    } catch (error) {
      return { reasons: [failure("read-failed", "the statistics could not be read", error)] };
    }
  }

  #warnings({ writeMs = 0, stats }: Findings, limits: Required<HealthOptions>): HealthReason[] {
    const warnings: HealthReason[] = [];
    const warn = (type: HealthReason["type"], message: string) => warnings.push({ type, message });
    if (writeMs > limits.maxWriteMs) {
      warn("slow", `writing a probe took ${Math.round(writeMs)} ms`);
    }
    if (!stats) return warnings;
    const { storage: { usedBytes, limitBytes, oldestReader }, pending, log } = stats;
    if (limitBytes !== undefined && usedBytes > limitBytes * limits.maxUsedShare) {
      warn("nearly-full", `the data occupies ${usedBytes} of ${limitBytes} bytes`);
    }
    if (pending.waitingForRoom > 0) {
      warn("held-back", `${pending.waitingForRoom} calls wait for room`);
    }
    if (oldestReader && oldestReader.transactions > limits.maxReaderTransactions) {
      const { processId, transactions } = oldestReader;
      warn(
        "standing-reader",
        `process ${processId} reads a state that is ${transactions} transactions old`,
      );
    }
    const { maxHotBytes } = this.#services;
    if (log.hotBytes > MAX_HOT_FACTOR * maxHotBytes) {
      warn("not-collected", `${log.hotBytes} bytes of the log are hot, ${maxHotBytes} may be`);
    }
    return warnings;
  }

  /** Returns `undefined` if it takes longer. What it has begun goes on. */
  async #withinTime<Result>(
    timeoutMs: number,
    run: () => Promise<Result>,
  ): Promise<Result | undefined> {
    const { clock } = this.#services;
    let late = () => {};
    const timedOut = new Promise<undefined>((resolve) => {
      late = () => resolve(undefined);
    });
    const timer = clock.setTimer(() => late(), timeoutMs, true);
    try {
      return await Promise.race([run(), timedOut]);
    } finally {
      timer.cancel();
    }
  }
}

function failure(type: HealthReason["type"], what: string, error: unknown): HealthReason {
  return { type, message: `${what}: ${messageOf(error)}`, error };
}

function healthOf(findings: Findings): ProviderHealth {
  const { reasons } = findings;
  const isUnhealthy = reasons.some(({ type }) => UNHEALTHY.has(type));
  const status = isUnhealthy ? "unhealthy" : reasons.length > 0 ? "degraded" : "healthy";
  return { status, ...findings };
}
