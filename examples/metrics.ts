// Metrics for Prometheus: what `GET /metrics` answers is what Prometheus collects. Run it with
// --serve, open http://localhost:9464/metrics, and press Ctrl+C to end it; without, it asks once.
// examples/metrics/dashboard.json shows these metrics in Grafana.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { eventSourced, StatefulActors } from "../mod.ts";
import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import { OtelTelemetry } from "../adapters/otel/mod.ts";

/** Collects when it is asked to, as Prometheus wants it. */
class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const serves = process.argv.includes("--serve");
const reader = new PullReader();
const serializer = new PrometheusSerializer();
const meterProvider = new MeterProvider({ readers: [reader] });
const telemetry = new OtelTelemetry({ meterProvider, attributes: { "cajun.store": "accounts" } });

const provider = await MemoryPersistenceProvider.open({ telemetry });
const accounts = await StatefulActors.start({
  provider,
  kind: "account",
  behavior: eventSourced({
    initialState: 0,
    handle: (_balance: number, deposit: number) => ({
      events: [deposit],
      reply: (balance: number) => balance,
    }),
    apply: (balance: number, deposit: number) => balance + deposit,
  }),
});
const gauges = telemetry.observe(provider, { actors: [accounts] });

const server = createServer(async (_request, response) => {
  try {
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8");
    response.end(serializer.serialize(resourceMetrics));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
await new Promise<void>((resolve) => server.listen(serves ? 9464 : 0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const url = `http://127.0.0.1:${port}/metrics`;

for (let number = 1; number <= 10; number++) await accounts.ask(`${number % 3}`, number);

if (serves) {
  console.log(url);
  await new Promise((resolve) => process.once("SIGINT", resolve));
} else {
  const text = await (await fetch(url)).text();
  const shown = text.split("\n").filter((line) =>
    /^cajun_persistence_(append|actor_ask)/.test(line)
  );
  console.log(shown.filter((line) => /_total|_count/.test(line)).join("\n"));
  assert.match(text, /cajun_persistence_append_messages_total\S* 10\b/);
  assert.match(text, /cajun_persistence_actor_active\S* 3\b/);
}

gauges[Symbol.dispose]();
server.closeAllConnections();
await new Promise((resolve) => server.close(resolve));
await accounts.stop();
await provider.close();
await meterProvider.shutdown();
