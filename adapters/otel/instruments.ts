/**
 * The instruments that events are recorded with. Durations are in seconds and sizes in bytes, as the
 * conventions of OpenTelemetry want it.
 *
 * @module
 */

import type { Counter, Histogram, Meter } from "@opentelemetry/api";

/** From a tenth of a millisecond, which memory takes, to ten seconds. */
const DURATION_BOUNDARIES = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];
/** From a tenth of a second to a day. */
const BACKUP_DURATION_BOUNDARIES = [0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400];
/** From one message to a hundred thousand, which is as many as may be pending by default. */
const COUNT_BOUNDARIES = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
/** From 100 bytes to 100 MB. */
const SIZE_BOUNDARIES = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
/** From 100 kB to 1 TB. */
const BACKUP_SIZE_BOUNDARIES = [1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
/** From a second to a month. */
const AGE_BOUNDARIES = [1, 10, 60, 600, 3_600, 86_400, 604_800, 2_592_000];

/** What events are recorded with. */
export interface Instruments {
  readonly commitDuration: Histogram;
  readonly commitMessages: Histogram;
  readonly commitActors: Histogram;
  readonly commitSize: Histogram;
  readonly commitWait: Histogram;
  readonly appends: Counter;
  readonly appendedMessages: Counter;
  readonly appendedBytes: Counter;
  readonly writes: Counter;
  readonly heldBack: Counter;
  readonly readDuration: Histogram;
  readonly readMessages: Counter;
  readonly snapshotSaveDuration: Histogram;
  readonly snapshotSize: Histogram;
  readonly snapshotLoadDuration: Histogram;
  readonly snapshotAge: Histogram;
  readonly truncatedMessages: Counter;
  readonly collectedBytes: Counter;
  readonly failedCollections: Counter;
  readonly recoveryDuration: Histogram;
  readonly recoveryMessages: Histogram;
  readonly askDuration: Histogram;
  readonly deliveryDuration: Histogram;
  readonly backupDuration: Histogram;
  readonly backupSize: Histogram;
}

/**
 * Makes the instruments.
 *
 * @param meter What makes them.
 * @returns The instruments.
 */
export function makeInstruments(meter: Meter): Instruments {
  const histogram = (boundaries: number[], unit: string) => (name: string, description: string) =>
    meter.createHistogram(`cajun.persistence.${name}`, {
      description,
      unit,
      advice: { explicitBucketBoundaries: boundaries },
    });
  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(`cajun.persistence.${name}`, { description, unit });
  const duration = histogram(DURATION_BOUNDARIES, "s");
  const size = histogram(SIZE_BOUNDARIES, "By");
  const messages = histogram(COUNT_BOUNDARIES, "{message}");
  return {
    commitDuration: duration("commit.duration", "How long the storage takes for a commit"),
    commitMessages: messages("commit.messages", "Messages of a commit"),
    commitActors: histogram(COUNT_BOUNDARIES, "{actor}")(
      "commit.actors",
      "Actors whose journals a commit changes",
    ),
    commitSize: size("commit.size", "Encoded messages of a commit"),
    commitWait: duration("commit.wait", "How long the oldest message of a commit has waited"),
    appends: counter("append.calls", "{call}", "Appends that became durable"),
    appendedMessages: counter("append.messages", "{message}", "Messages that became durable"),
    appendedBytes: counter("append.size", "By", "Encoded messages that became durable"),
    writes: counter("write.calls", "{call}", "Durable writes that belong to no journal"),
    heldBack: counter("backpressure.appends", "{call}", "Appends that found no room"),
    readDuration: duration("read.duration", "How long it takes to read a page of a journal"),
    readMessages: counter("read.messages", "{message}", "Entries that were read"),
    snapshotSaveDuration: duration("snapshot.save.duration", "How long it takes to save one"),
    snapshotSize: size("snapshot.size", "Size of the snapshots that are saved"),
    snapshotLoadDuration: duration("snapshot.load.duration", "How long it takes to load one"),
    snapshotAge: histogram(AGE_BOUNDARIES, "s")(
      "snapshot.age",
      "How old the snapshots are that are loaded",
    ),
    truncatedMessages: counter("truncation.messages", "{message}", "Entries that were truncated"),
    collectedBytes: counter("collection.size", "By", "What collecting the log has written"),
    failedCollections: counter("collection.failures", "{failure}", "Failures to collect the log"),
    recoveryDuration: duration("actor.recovery.duration", "How long it takes to recover an actor"),
    recoveryMessages: messages("actor.recovery.messages", "Entries that a recovery replays"),
    askDuration: duration("actor.ask.duration", "How long those wait who ask an actor"),
    deliveryDuration: duration("outbox.delivery.duration", "How long a delivery attempt takes"),
    backupDuration: histogram(BACKUP_DURATION_BOUNDARIES, "s")(
      "backup.duration",
      "How long it takes to make a backup, and to verify it",
    ),
    backupSize: histogram(BACKUP_SIZE_BOUNDARIES, "By")("backup.size", "Size of the backups"),
  };
}
