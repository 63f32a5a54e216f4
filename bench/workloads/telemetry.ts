// What it costs to be listened to: a thousand actors that append, without a listener, with one that
// counts events, and with OpenTelemetry metrics that are collected now and then.
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { OtelTelemetry } from "../../adapters/otel/mod.ts";
import type { Telemetry } from "../../mod.ts";
import { compare } from "../comparison.ts";
import { type Contestant, type ContestantKind, measureRates } from "../measure.ts";
import { circulate } from "../messages.ts";
import { OurStore } from "../peers/ours.ts";
import type { Workload } from "./workload.ts";

const ACTORS = 1_000;

/** Collects when it is asked to. */
class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** Listeners. */
export const telemetry: Workload = {
  name: "telemetry",
  title: "Appends without a listener, and with one",
  async run(context) {
    await using resources = new AsyncDisposableStack();
    const next = circulate(context.messages(120));
    const open = async (name: string, kind: ContestantKind, listener?: Telemetry) => {
      const store = resources.use(await OurStore.open(context, name, listener));
      return appending(name, kind, (actorId) => store.append(actorId, next()));
    };
    const counts = new Map<string, number>();
    const counter: Telemetry = {
      onEvent: ({ type }) => void counts.set(type, (counts.get(type) ?? 0) + 1),
    };
    const meterProvider = new MeterProvider({ readers: [new PullReader()] });
    const contestants = [
      await open("no listener", "ours"),
      await open("a listener that counts", "limit", counter),
      await open("OpenTelemetry", "limit", new OtelTelemetry({ meterProvider })),
    ];
    const measured = await measureRates(
      contestants,
      context.quick ? { rounds: 5, operations: 30_000 } : { rounds: 9, operations: 100_000 },
    );
    await meterProvider.shutdown();
    return [compare({
      name: "telemetry",
      title: "120 B, 1,000 actors, each awaiting its own append",
      unit: "messages/s",
      measured,
      ours: "no listener",
      others: contestants.slice(1).map(({ name }) => name),
      targets: [],
    })];
  },
};

function appending(
  name: string,
  kind: ContestantKind,
  append: (actorId: string) => Promise<unknown>,
): Contestant {
  const actorIds = Array.from({ length: ACTORS }, (_, index) => `account-${index}`);
  return {
    name,
    kind,
    async run(operations) {
      const each = Math.ceil(operations / ACTORS);
      await Promise.all(actorIds.map(async (actorId) => {
        for (let done = 0; done < each; done++) await append(actorId);
      }));
    },
  };
}
