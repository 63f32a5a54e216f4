/**
 * Reports backups.
 *
 * @module
 */

import type { Clock } from "../ports/clock.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import { endingWith, failureIn } from "./telemetry_hub.ts";

/**
 * Reports how a backup ends, by an event and a span.
 *
 * @param telemetry What it reports to.
 * @param clock The clock that it is measured by.
 * @param backUp Makes the backup.
 * @returns The backup.
 */
export async function reportingBackup<Backup extends { readonly bytes: number }>(
  telemetry: TelemetrySink,
  clock: Clock,
  backUp: () => Promise<Backup>,
): Promise<Backup> {
  const startedAtMs = clock.monotonic();
  const report = (failure: string | undefined, bytes: number) => {
    if (!telemetry.isEnabled) return;
    const durationMs = clock.monotonic() - startedAtMs;
    telemetry.emit({ type: "backup", failure, bytes, durationMs });
  };
  const span = telemetry.startSpan({ name: "backup", kind: undefined, actorId: undefined });
  try {
    const backup = await (span ? endingWith(span, span.run(backUp)) : backUp());
    report(undefined, backup.bytes);
    return backup;
  } catch (error) {
    report(failureIn(error), 0);
    throw error;
  }
}
