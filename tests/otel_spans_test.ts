import assert from "node:assert/strict";
import { context, propagation, trace, type Tracer } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { MemoryDatabase, MemoryPersistenceProvider } from "../adapters/memory.ts";
import { OtelTelemetry } from "../adapters/otel/mod.ts";
import { commandSourced, eventSourced, type PersistenceError, StatefulActors } from "../mod.ts";
import { test } from "./harness.ts";

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** Traces as an application would. */
class Traces implements AsyncDisposable {
  readonly #exporter = new InMemorySpanExporter();
  readonly provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
  });
  readonly telemetry = new OtelTelemetry({ tracerProvider: this.provider });
  readonly tracer: Tracer = this.provider.getTracer("test");

  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  find(name: string): ReadableSpan {
    const found = this.spans.filter((span) => span.name === name);
    assert.equal(found.length, 1, `${name} in ${this.spans.map(({ name }) => name)}`);
    const [span] = found;
    assert.ok(span);
    return span;
  }

  /** Runs within a span of the caller. */
  async within(name: string, run: () => Promise<void>): Promise<void> {
    await this.tracer.startActiveSpan(name, async (span) => {
      await run();
      span.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider.shutdown();
  }
}

function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId;
}

/** Who reads a message goes on with the trace that it was written in. */
function traceOf(metadata: unknown): { traceId: string; spanId: string } | undefined {
  return trace.getSpanContext(propagation.extract(context.active(), metadata));
}

test("otel spans: an append is a child of its caller, and its messages say so", async () => {
  await using traces = new Traces();
  await using provider = await MemoryPersistenceProvider.open({ telemetry: traces.telemetry });
  const journal = provider.createMessageJournal<string>({ kind: "door" });
  await traces.within("request", async () => {
    await journal.append("1", "opened", { metadata: { user: "ada" } });
  });
  const append = traces.find("cajun.persistence append");
  assert.equal(append.parentSpanContext?.spanId, idOf(traces.find("request")));
  assert.deepEqual(append.attributes, { "cajun.actor.kind": "door", "cajun.actor.id": "1" });
  const [entry] = await journal.readFrom("1", 0);
  assert.equal(entry?.metadata?.user, "ada");
  assert.equal(traceOf(entry?.metadata)?.spanId, idOf(append));
});

test("otel spans: a backup is of no actor", async () => {
  await using traces = new Traces();
  const start = { name: "backup", kind: undefined, actorId: undefined } as const;
  traces.telemetry.startSpan(start)?.end("CORRUPT");
  assert.deepEqual(traces.find("cajun.persistence backup").attributes, { "error.type": "CORRUPT" });
});

test("otel spans: batches, receipts, and what fails", async () => {
  await using traces = new Traces();
  await using provider = await MemoryPersistenceProvider.open({ telemetry: traces.telemetry });
  const journal = provider.createMessageJournal<unknown>();
  assert.deepEqual(await journal.appendBatch("1", ["a", "b"]), [0, 1]);
  const { sequenceNumber } = await journal.append("1", "c", { receipt: true });
  assert.equal(sequenceNumber, 2);
  const refused = journal.append("1", "d", { expectedSequenceNumber: 7 });
  await assert.rejects(refused, (error: PersistenceError) => error.code === "CONFLICT");
  await assert.rejects(journal.append("1", () => {}));
  const failures = traces.spans.map(({ attributes }) => attributes["error.type"]);
  assert.deepEqual(failures, [undefined, undefined, "CONFLICT", "UNENCODABLE"]);
  const entries = await journal.readFrom("1", 0);
  const ids = entries.map(({ metadata }) => traceOf(metadata)?.spanId);
  const [batch, receipt] = traces.spans.map(idOf);
  assert.deepEqual(ids, [batch, batch, receipt]);
});

test("otel spans: metadata as large as it may be leaves room for the trace", async () => {
  await using traces = new Traces();
  await using provider = await MemoryPersistenceProvider.open({ telemetry: traces.telemetry });
  const journal = provider.createMessageJournal<string>();
  const largest = { text: "x".repeat(16_384 - 9) };
  await journal.append("1", "a", { metadata: largest });
  const [entry] = await journal.readFrom("1", 0);
  assert.equal(entry?.metadata?.text, largest.text);
  assert.ok(traceOf(entry?.metadata));
  const tooLarge = journal.append("1", "a", { metadata: { text: "x".repeat(20_000) } });
  await assert.rejects(tooLarge, (error: PersistenceError) => error.code === "TOO_LARGE");
});

test("otel spans: a handler runs in the span of its message, also after a recovery", async () => {
  await using traces = new Traces();
  const database = new MemoryDatabase();
  const active: (string | undefined)[] = [];
  const note = () => void active.push(trace.getActiveSpan()?.spanContext().spanId);
  const start = async () => {
    const { telemetry } = traces;
    const provider = await MemoryPersistenceProvider.open({ database, telemetry });
    const carts = await StatefulActors.start({
      provider,
      kind: "cart",
      behavior: eventSourced({
        initialState: 0,
        async handle(_sum: number, amount: number) {
          note();
          await new Promise((resolve) => setTimeout(resolve, 1));
          note();
          if (amount < 0) throw new Error("too little");
          return { events: [amount], reply: (sum: number) => sum };
        },
        apply: (sum: number, amount: number) => sum + amount,
      }),
    });
    return { provider, carts };
  };
  const first = await start();
  await traces.within("request", async () => {
    assert.equal(await first.carts.ask("1", 5), 5);
  });
  await assert.rejects(first.carts.ask("1", -1), /too little/);
  await first.carts.tell("1", 1);
  await first.carts.stop();
  const asks = traces.spans.filter(({ name }) => name === "cajun.persistence ask");
  const [ask, failed] = asks;
  const tell = traces.find("cajun.persistence tell");
  assert.ok(ask && failed);
  assert.equal(ask.parentSpanContext?.spanId, idOf(traces.find("request")));
  assert.equal(failed.attributes["error.type"], "ERROR");
  assert.deepEqual(active, [ask, ask, failed, failed, tell, tell].map(idOf));
  assert.ok(traces.find("cajun.persistence recovery"));
  const journal = first.provider.createMessageJournal<number>({ kind: "cart" });
  const entries = await journal.readFrom("1", 0);
  assert.deepEqual(entries.map(({ metadata }) => traceOf(metadata)?.spanId), [
    idOf(ask),
    idOf(tell),
  ]);
  await first.provider.close();

  const second = await start();
  assert.equal(await second.carts.ask("1", 1), 7);
  await second.carts.stop();
  await second.provider.close();
});

test("otel spans: with command sourcing, too", async () => {
  await using traces = new Traces();
  const active: (string | undefined)[] = [];
  await using provider = await MemoryPersistenceProvider.open({ telemetry: traces.telemetry });
  const carts = await StatefulActors.start({
    provider,
    kind: "cart",
    behavior: commandSourced({
      initialState: 0,
      handle: (sum: number, amount: number) => {
        active.push(trace.getActiveSpan()?.spanContext().spanId);
        return { state: sum + amount, reply: (sum: number) => sum };
      },
    }),
  });
  assert.equal(await carts.ask("1", 5), 5);
  await carts.stop();
  assert.deepEqual(active, [idOf(traces.find("cajun.persistence ask"))]);
});

test("otel spans: without a tracer nothing is stored", async () => {
  const telemetry = new OtelTelemetry();
  await using provider = await MemoryPersistenceProvider.open({ telemetry });
  const journal = provider.createMessageJournal<string>();
  await journal.append("1", "a");
  assert.equal((await journal.readFrom("1", 0))[0]?.metadata, undefined);
});
