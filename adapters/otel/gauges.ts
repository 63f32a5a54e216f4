/**
 * What providers have at a moment, observed when metrics are collected.
 *
 * @module
 */

import type { Attributes, BatchObservableResult, Meter, ObservableGauge } from "@opentelemetry/api";
import { checkOptions } from "../../core/errors/arguments.ts";
import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type { OutboxCounts } from "../../core/ports/outbox_store.ts";
import type { ProviderStats } from "../../core/ports/provider.ts";
import type { OptionNames } from "../../core/util/option_names.ts";

/** What is observed of a provider. */
export interface ObservedProvider {
  /**
   * Its statistics.
   *
   * @returns The statistics at this moment.
   */
  stats(): Promise<ProviderStats>;
}

/** What is observed of the actors of a kind: `StatefulActors` have all of it. */
export interface ObservedActors {
  /** Their kind. */
  readonly kind: string;
  /** How many are in memory. */
  readonly active: number;
  /** Their outbox. */
  readonly outbox: {
    /**
     * Counts its effects.
     *
     * @returns How many are open, and how many were given up.
     */
    counts(): Promise<OutboxCounts>;
  };
}

/** Options of `OtelTelemetry.observe`. */
export interface ObserveOptions {
  /**
   * Actors of the provider that are observed as well, with their outboxes. To count the effects of
   * an outbox, all their keys are read.
   *
   * @default {[]}
   */
  actors?: readonly ObservedActors[];
}

const MS_PER_S = 1_000;
const OBSERVE_OPTION_NAMES: OptionNames<ObserveOptions> = { actors: true };

/**
 * Observes a provider.
 *
 * @param meter What makes the gauges.
 * @param provider The provider.
 * @param attributes What all metrics carry.
 * @param options Its actors.
 * @returns Ends the observation.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is unknown.
 */
export function observe(
  meter: Meter,
  provider: ObservedProvider,
  attributes: Attributes,
  options: ObserveOptions,
): Disposable {
  checkOptions(options, "observe provider", OBSERVE_OPTION_NAMES);
  const { actors = [] } = options;
  const gauges = makeGauges(meter);
  const look = async (result: BatchObservableResult) => {
    try {
      await observeProvider(result, gauges, provider, attributes);
      for (const ofKind of actors) await observeActors(result, gauges, ofKind, attributes);
    } catch (error) {
      // The provider, or the actors, are closed: there is nothing left to observe.
      if (!(error instanceof PersistenceError) || error.code !== "CLOSED") throw error;
    }
  };
  const all = Object.values(gauges);
  meter.addBatchObservableCallback(look, all);
  return { [Symbol.dispose]: () => meter.removeBatchObservableCallback(look, all) };
}

interface Gauges extends Record<string, ObservableGauge> {
  readonly pendingMessages: ObservableGauge;
  readonly pendingBytes: ObservableGauge;
  readonly waitingForRoom: ObservableGauge;
  readonly hotBytes: ObservableGauge;
  readonly hotActors: ObservableGauge;
  readonly position: ObservableGauge;
  readonly usedBytes: ObservableGauge;
  readonly freeBytes: ObservableGauge;
  readonly limitBytes: ObservableGauge;
  readonly readerAge: ObservableGauge;
  readonly openingWaits: ObservableGauge;
  readonly openingWaitSeconds: ObservableGauge;
  readonly entries: ObservableGauge;
  readonly activeActors: ObservableGauge;
  readonly effects: ObservableGauge;
}

function makeGauges(meter: Meter): Gauges {
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(`cajun.persistence.${name}`, { description, unit });
  return {
    pendingMessages: gauge("pending.messages", "{message}", "Messages that are not durable yet"),
    pendingBytes: gauge("pending.size", "By", "Encoded messages that are not durable yet"),
    waitingForRoom: gauge("pending.held_back", "{call}", "Calls that wait for room"),
    hotBytes: gauge("log.hot.size", "By", "What of the log is not yet sorted into journals"),
    hotActors: gauge("log.hot.actors", "{actor}", "The actors that this belongs to"),
    position: gauge("log.position", "{record}", "The newest position of the log"),
    usedBytes: gauge("storage.used", "By", "What the data occupies"),
    freeBytes: gauge("storage.free", "By", "What of the files is free and will be used again"),
    limitBytes: gauge("storage.limit", "By", "What the data may occupy"),
    readerAge: gauge(
      "storage.reader.age",
      "{transaction}",
      "Transactions since the state that the oldest reader reads",
    ),
    openingWaits: gauge(
      "storage.opening.waits",
      "{commit}",
      "Commits that have waited while another process opened the storage",
    ),
    openingWaitSeconds: gauge(
      "storage.opening.wait_time",
      "s",
      "How long commits have waited for that altogether",
    ),
    entries: gauge("storage.entries", "{entry}", "Entries of each keyspace"),
    activeActors: gauge("actor.active", "{actor}", "Actors in memory"),
    effects: gauge("outbox.effects", "{effect}", "Effects that are open, or were given up"),
  };
}

async function observeProvider(
  result: BatchObservableResult,
  gauges: Gauges,
  provider: ObservedProvider,
  attributes: Attributes,
): Promise<void> {
  const { pending, log, storage } = await provider.stats();
  const { usedBytes, freeBytes, limitBytes, oldestReader, openingWaits, entries } = storage;
  const figures: readonly (readonly [ObservableGauge, number | undefined])[] = [
    [gauges.pendingMessages, pending.messages],
    [gauges.pendingBytes, pending.bytes],
    [gauges.waitingForRoom, pending.waitingForRoom],
    [gauges.hotBytes, log.hotBytes],
    [gauges.hotActors, log.hotActors],
    [gauges.position, log.position],
    [gauges.usedBytes, usedBytes],
    [gauges.freeBytes, freeBytes],
    [gauges.limitBytes, limitBytes],
    [gauges.readerAge, oldestReader?.transactions ?? 0],
    [gauges.openingWaits, openingWaits?.count],
    [gauges.openingWaitSeconds, openingWaits && openingWaits.totalMs / MS_PER_S],
  ];
  for (const [gauge, figure] of figures) {
    if (figure !== undefined) result.observe(gauge, figure, attributes);
  }
  for (const [keyspace, count] of Object.entries(entries)) {
    result.observe(gauges.entries, count, { ...attributes, "cajun.keyspace": keyspace });
  }
}

async function observeActors(
  result: BatchObservableResult,
  gauges: Gauges,
  { kind, active, outbox }: ObservedActors,
  attributes: Attributes,
): Promise<void> {
  const ofKind = { ...attributes, "cajun.actor.kind": kind };
  result.observe(gauges.activeActors, active, ofKind);
  const { open, dead } = await outbox.counts();
  result.observe(gauges.effects, open, { ...ofKind, "cajun.effect.state": "open" });
  result.observe(gauges.effects, dead, { ...ofKind, "cajun.effect.state": "dead" });
}
