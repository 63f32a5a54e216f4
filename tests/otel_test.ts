import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import { OtelTelemetry, type OtelTelemetryOptions } from "../adapters/otel/mod.ts";
import {
  eventSourced,
  type PersistenceError,
  StatefulActors,
  type TelemetryEvent,
} from "../mod.ts";
import { test } from "./harness.ts";

/** An hour: nothing is exported but what a test asks for. */
const NEVER_MS = 3_600_000;

/** Collects metrics as an application would. */
class Metrics implements AsyncDisposable {
  readonly #exporter: InMemoryMetricExporter;
  readonly #reader: PeriodicExportingMetricReader;
  readonly provider: MeterProvider;

  /** @param temporality With delta only what is observed now is collected, not what was before. */
  constructor(temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE) {
    this.#exporter = new InMemoryMetricExporter(temporality);
    this.#reader = new PeriodicExportingMetricReader({
      exporter: this.#exporter,
      exportIntervalMillis: NEVER_MS,
    });
    this.provider = new MeterProvider({ readers: [this.#reader] });
  }

  async collect(): Promise<Map<string, MetricData>> {
    this.#exporter.reset();
    await this.#reader.forceFlush();
    const all = this.#exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap(({ metrics }) => metrics);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider.shutdown();
  }
}

/** What was built stands one directory deeper than its source. */
function sourceOf(url: string): string {
  return url.replace("/dist/tests/", "/tests/");
}

/** The values of a metric, of histograms their counts, each with its attributes. */
function pointsOf(metrics: ReadonlyMap<string, MetricData>, name: string): [object, number][] {
  const metric = metrics.get(`cajun.persistence.${name}`);
  assert.ok(metric, name);
  return metric.dataPoints.map(({ attributes, value }) => [
    attributes,
    typeof value === "number" ? value : value.count,
  ]);
}

test("otel: what was appended, read and saved", async () => {
  await using metrics = new Metrics();
  const attributes = { "cajun.store": "doors" };
  const telemetry = new OtelTelemetry({ meterProvider: metrics.provider, attributes });
  await using provider = await MemoryPersistenceProvider.open({ telemetry });
  using _gauges = telemetry.observe(provider);
  const journal = provider.createMessageJournal<string>({ kind: "door" });
  await Promise.all([journal.append("1", "opened"), journal.append("1", "closed")]);
  await journal.append("2", "opened");
  await provider.createSnapshotStore<string>({ kind: "door" }).saveSnapshot("1", "closed", 1);
  await journal.readFrom("1", 0);
  await journal.truncateBefore("1", 1);

  const collected = await metrics.collect();
  const ofKind = { ...attributes, "cajun.actor.kind": "door" };
  assert.deepEqual(pointsOf(collected, "append.calls"), [[attributes, 3]]);
  assert.deepEqual(pointsOf(collected, "append.messages"), [[attributes, 3]]);
  assert.deepEqual(pointsOf(collected, "append.size"), [[attributes, 21]]);
  assert.deepEqual(pointsOf(collected, "write.calls"), [[attributes, 1]]);
  assert.deepEqual(pointsOf(collected, "commit.messages"), [[attributes, 2]]);
  assert.deepEqual(pointsOf(collected, "read.messages"), [[ofKind, 2]]);
  assert.deepEqual(pointsOf(collected, "truncation.messages"), [[ofKind, 1]]);
  assert.deepEqual(pointsOf(collected, "snapshot.size"), [[ofKind, 1]]);
  const commits = (await provider.stats()).commits;
  assert.deepEqual(pointsOf(collected, "commit.duration"), [
    [{ ...attributes, "cajun.outcome": "committed" }, commits],
  ]);
  const durations = collected.get("cajun.persistence.commit.duration");
  assert.equal(durations?.descriptor.unit, "s");
});

test("otel: what a provider has is observed, until that is ended or it is closed", async () => {
  await using metrics = new Metrics(AggregationTemporality.DELTA);
  const telemetry = new OtelTelemetry({ meterProvider: metrics.provider });
  const provider = await MemoryPersistenceProvider.open({ telemetry, maxBytes: 1_000_000 });
  await provider.createMessageJournal<string>().append("1", "opened");
  const gauges = telemetry.observe(provider);
  const observed = await metrics.collect();
  const { storage, log } = await provider.stats();
  assert.deepEqual(pointsOf(observed, "storage.used"), [[{}, storage.usedBytes]]);
  assert.deepEqual(pointsOf(observed, "storage.limit"), [[{}, 1_000_000]]);
  assert.deepEqual(pointsOf(observed, "log.position"), [[{}, 1]]);
  assert.deepEqual(pointsOf(observed, "log.hot.size"), [[{}, log.hotBytes]]);
  assert.deepEqual(pointsOf(observed, "pending.messages"), [[{}, 0]]);
  const keyspaces = pointsOf(observed, "storage.entries").map(([attributes]) => attributes);
  assert.ok(keyspaces.some((one) => "cajun.keyspace" in one && one["cajun.keyspace"] === "log"));
  gauges[Symbol.dispose]();
  const after = await metrics.collect();
  assert.deepEqual(after.get("cajun.persistence.storage.used")?.dataPoints ?? [], []);

  using _again = telemetry.observe(provider);
  await provider.close();
  const closed = await metrics.collect();
  assert.deepEqual(closed.get("cajun.persistence.storage.used")?.dataPoints ?? [], []);
});

test("otel: actors, their answers, recoveries and outboxes", async () => {
  await using metrics = new Metrics();
  const telemetry = new OtelTelemetry({ meterProvider: metrics.provider });
  await using provider = await MemoryPersistenceProvider.open({ telemetry });
  const carts = await StatefulActors.start({
    provider,
    kind: "cart",
    behavior: eventSourced({
      initialState: 0,
      handle: (_state: number, amount: number) => {
        if (amount < 0) throw new Error("too little");
        return { events: [amount], effects: [amount], reply: (state: number) => state };
      },
      apply: (state: number, amount: number) => state + amount,
    }),
    outbox: {
      deliver: () => {
        throw new Error("never");
      },
      maxAttempts: 1,
    },
    onProblem: () => {},
  });
  using _gauges = telemetry.observe(provider, { actors: [carts] });
  await carts.ask("1", 5);
  await assert.rejects(carts.ask("1", -1));
  await carts.outbox.drained();
  const collected = await metrics.collect();
  const ofKind = { "cajun.actor.kind": "cart" };
  assert.deepEqual(pointsOf(collected, "actor.ask.duration"), [
    [ofKind, 1],
    [{ ...ofKind, "error.type": "ERROR" }, 1],
  ]);
  assert.deepEqual(pointsOf(collected, "actor.recovery.duration"), [[ofKind, 1]]);
  assert.deepEqual(pointsOf(collected, "actor.active"), [[ofKind, 1]]);
  assert.deepEqual(pointsOf(collected, "outbox.effects"), [
    [{ ...ofKind, "cajun.effect.state": "open" }, 0],
    [{ ...ofKind, "cajun.effect.state": "dead" }, 1],
  ]);
  assert.deepEqual(pointsOf(collected, "outbox.delivery.duration"), [
    [{ ...ofKind, "cajun.outcome": "dead-letter" }, 1],
  ]);
  await carts.stop();
});

test("otel: each type of event is recorded, and none names an actor", async () => {
  const base = { durationMs: 1, failure: undefined, kind: "door", messages: 1, bytes: 1 };
  const carried = { appends: 1, actors: 1, writes: 0, waitMs: 1 };
  const events: readonly TelemetryEvent[] = [
    { type: "commit", outcome: "committed", ...base, ...carried },
    { type: "commit", outcome: "conflict", ...base, ...carried },
    { type: "commit", outcome: "failed", ...base, ...carried, failure: "STORAGE_FULL" },
    { type: "backpressure", outcome: "refused", ...base },
    { type: "read", ...base },
    { type: "snapshot-saved", ...base },
    { type: "snapshot-loaded", ...base, ageMs: 1 },
    { type: "truncation", ...base },
    { type: "collection", ...base },
    { type: "collection", ...base, failure: "CORRUPT" },
    { type: "recovery", ...base, hasSnapshot: true },
    { type: "ask", ...base },
    { type: "delivery", outcome: "retry", attempt: 1, ...base },
    { type: "backup", ...base },
    { type: "backup", ...base, failure: "CORRUPT" },
  ];
  let recorded = new Set<string>();
  for (const event of events) {
    await using metrics = new Metrics();
    new OtelTelemetry({ meterProvider: metrics.provider }).onEvent(event);
    const collected = await metrics.collect();
    const names = [...collected.keys()].filter((name) =>
      collected.get(name)?.dataPoints.some(({ value }) => value !== 0)
    );
    assert.notEqual(names.length, 0, JSON.stringify(event));
    recorded = new Set([...recorded, ...names]);
    for (const { dataPoints } of collected.values()) {
      for (const { attributes } of dataPoints) {
        const allowed = /^(cajun\.(actor\.kind|outcome)|error\.type)$/;
        assert.deepEqual(Object.keys(attributes).filter((key) => !allowed.test(key)), []);
      }
    }
  }
  assert.ok(recorded.size >= 20, [...recorded].join(", "));
});

test("otel: the dashboard shows metrics that there are", async () => {
  const dashboard = await readFile(
    new URL("../examples/metrics/dashboard.json", sourceOf(import.meta.url)),
    "utf8",
  );
  const { panels }: { panels: { targets: { expr: string }[] }[] } = JSON.parse(dashboard);
  const shown = panels.flatMap(({ targets }) => targets).flatMap(({ expr }) =>
    expr.match(/cajun_persistence_\w+/g) ?? []
  );
  assert.ok(shown.length > 15);
  const instruments = await readFile(
    new URL("../adapters/otel/instruments.ts", sourceOf(import.meta.url)),
    "utf8",
  ) + await readFile(new URL("../adapters/otel/gauges.ts", sourceOf(import.meta.url)), "utf8");
  const names = Array.from(
    instruments.matchAll(/"([a-z_]+(?:\.[a-z_]+)+)"/g),
    ([, name = ""]) => `cajun_persistence_${name.replaceAll(".", "_")}`,
  );
  const missing = shown.map((name) => name.replace(/_(total|count|bucket)$/, ""))
    .filter((name) => !names.includes(name));
  assert.deepEqual(missing, []);
});

test("otel: an unknown option is refused", () => {
  for (const options of [{ meter: 1 }, { attribute: {} }]) {
    assert.throws(
      () => new OtelTelemetry(options as unknown as OtelTelemetryOptions),
      (error: PersistenceError) => error.code === "INVALID_ARGUMENT",
    );
  }
});
