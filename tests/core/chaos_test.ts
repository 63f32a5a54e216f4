import assert from "node:assert/strict";
import { MemoryDatabase, MemoryStorage } from "../../adapters/memory.ts";
import { PersistenceError } from "../../core/errors.ts";
import type { BatchedMessageJournal, MessageJournal } from "../../core/journal.ts";
import type { Codec } from "../../core/codec.ts";
import { MessagePackCodec } from "../../core/msgpack_codec.ts";
import { PersistenceProvider, type ProviderOptions } from "../../core/provider.ts";
import type { Storage } from "../../core/storage.ts";
import { type Random, randomFrom } from "../conformance/random.ts";
import { test } from "../harness.ts";
import { type ChaosRates, ChaosStorage } from "./chaos_storage.ts";

const ROUNDS = Number(globalThis.process?.env?.CHAOS_ROUNDS ?? 700);
/** Rounds that run side by side, since each waits for timers most of the time. */
const LANES = 8;
const ACTORS = ["a", "b", "c"];
/** Streams write to this one, which is never truncated, so that all that they wrote can be found. */
const STREAMED = "streamed";

interface Call {
  readonly actorId: string;
  readonly messages: readonly number[];
  readonly expected: number | undefined;
  /** Which journal's provider it went through. */
  readonly provider: number;
  readonly aborted: boolean;
  /** The number of the first message, or the error. */
  readonly outcome: Promise<number | Error>;
}

interface Stream {
  /** What was written to it, up to a chunk that cannot be encoded. */
  readonly messages: readonly number[];
  readonly isBroken: boolean;
  readonly isAborted: boolean;
  /** What `closed` of its writer rejects with, or `undefined`. */
  readonly error: unknown;
}

/** Several providers on one storage, as several processes would have, with several journals each. */
class Chaos {
  readonly #random: Random;
  readonly #calls: Call[] = [];
  readonly #streams: Promise<Stream>[] = [];
  readonly #others: Promise<unknown>[] = [];
  /** The number behind the highest one that has been acknowledged so far. */
  readonly #acknowledged = new Map<string, number>();
  /** The lowest number that can be left. */
  readonly #truncatedTo = new Map<string, number>();
  /** What makes each journal of each provider. */
  readonly #makers: (() => MessageJournal<number>)[][] = [];
  readonly #journals: MessageJournal<number>[][];
  #messages = 0;

  constructor(random: Random, providers: readonly PersistenceProvider[]) {
    this.#random = random;
    for (const provider of providers) {
      this.#makers.push([
        () => provider.createMessageJournal<number>(),
        () => provider.createMessageJournal<number>(),
        () =>
          provider.createBatchedMessageJournal<number>({
            maxBatchSize: 1 + random.below(8),
            maxBatchDelayMs: random.below(3),
          }),
        () =>
          provider.createBatchedMessageJournal<number>({
            adaptive: true,
            maxBatchBytes: 1 + random.below(40),
          }),
      ]);
    }
    this.#journals = this.#makers.map((makers) => makers.map((make) => make()));
  }

  async run(calls: number): Promise<void> {
    for (let call = 0; call < calls; call++) {
      this.#step();
      if (this.#random.below(4) === 0) await undefined;
      if (this.#random.below(40) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const journal of this.#journals.flat()) {
      if (isBatched(journal)) this.#watch(journal.flush());
    }
    await Promise.all(this.#streams);
    await Promise.all(this.#calls.map(({ outcome }) => outcome));
    await Promise.all(this.#others);
  }

  #step(): void {
    const provider = this.#random.below(this.#journals.length);
    const journals = this.#journals[provider] ?? [];
    const place = this.#random.below(journals.length);
    const journal = journals[place];
    const actorId = ACTORS[this.#random.below(ACTORS.length)];
    if (!journal || !actorId) return;
    const choice = this.#random.below(20);
    if (choice === 0) this.#truncate(journal, actorId);
    else if (choice === 1 && isBatched(journal)) this.#watch(journal.flush());
    else if (choice === 2 && isBatched(journal)) this.#changePolicy(journal);
    else if (choice === 3) this.#watch(journal.readFrom(actorId, 0).then(assertConsecutive));
    else if (choice === 4) this.#streams.push(this.#stream(journal));
    else if (choice === 5) this.#append(journal, provider, STREAMED);
    else if (choice === 6 && this.#random.below(4) === 0) this.#replace(provider, place, journal);
    else this.#append(journal, provider, actorId);
  }

  /** Closes a journal with whatever it has under way, and makes another one. */
  #replace(provider: number, place: number, journal: MessageJournal<number>): void {
    const closed = journal.close();
    this.#watch(
      closed.then(() => assert.deepEqual(journal.pending, { messages: 0, bytes: 0 }, "closed")),
    );
    const journals = this.#journals[provider];
    const make = this.#makers[provider]?.[place];
    if (journals && make) journals[place] = make();
  }

  #changePolicy(journal: BatchedMessageJournal<number>): void {
    const choice = this.#random.below(4);
    if (choice === 0) journal.maxBatchSize = 1 + this.#random.below(10);
    else if (choice === 1) journal.maxBatchBytes = 1 + this.#random.below(50);
    else if (choice === 2) journal.maxBatchDelayMs = this.#random.below(5);
    else journal.adaptive = !journal.adaptive;
  }

  async #stream(journal: MessageJournal<number>): Promise<Stream> {
    const writer = journal.writable(STREAMED).getWriter();
    const closed = writer.closed.then(() => undefined, (error: unknown) => error);
    const written: Promise<unknown>[] = [];
    const messages: number[] = [];
    const ending = this.#random.below(4);
    for (let left = this.#random.below(30); left > 0; left--) {
      const message = this.#messages++;
      messages.push(message);
      written.push(writer.write(message).catch(ignore));
      if (this.#random.below(2) === 0) await writer.ready.catch(ignore);
    }
    const isBroken = ending === 0;
    if (isBroken) {
      // No number, and nothing else that can be encoded either.
      written.push(writer.write(ignore as unknown as number).catch(ignore));
      written.push(writer.write(this.#messages++).catch(ignore));
    }
    const isAborted = ending === 1;
    await (isAborted ? writer.abort(new Error("aborted")) : writer.close()).catch(ignore);
    await Promise.all(written);
    return { messages, isBroken, isAborted, error: await closed };
  }

  #append(journal: MessageJournal<number>, provider: number, actorId: string): void {
    const count = this.#random.below(3) === 0 ? 1 + this.#random.below(6) : 1;
    const messages = Array.from({ length: count }, () => this.#messages++);
    const expected = this.#random.below(10) === 0 ? this.#random.below(30) : undefined;
    const controller = new AbortController();
    const aborted = this.#random.below(10) === 0;
    const options = {
      ...(expected === undefined ? {} : { expectedSequenceNumber: expected }),
      ...(aborted ? { signal: controller.signal } : {}),
    };
    const first = count === 1
      ? journal.append(actorId, messages[0] ?? 0, options)
      : journal.appendBatch(actorId, messages, options).then((numbers) => {
        assert.deepEqual(numbers, numbers.map((_, index) => (numbers[0] ?? 0) + index));
        return numbers[0] ?? -1;
      });
    const outcome = first.then((number) => {
      const before = this.#acknowledged.get(actorId) ?? 0;
      this.#acknowledged.set(actorId, Math.max(before, number + count));
      return number;
    }, (error: Error) => error);
    this.#calls.push({ actorId, messages, expected, provider, aborted, outcome });
    if (aborted) void this.#abortSoon(controller);
  }

  async #abortSoon(controller: AbortController): Promise<void> {
    for (let left = this.#random.below(30); left > 0; left--) await undefined;
    controller.abort(new Error("aborted"));
  }

  #truncate(journal: MessageJournal<number>, actorId: string): void {
    const before = this.#random.below(20);
    const removed = Math.min(before, this.#acknowledged.get(actorId) ?? 0);
    this.#watch(
      journal.truncateBefore(actorId, before).then(() => {
        const done = this.#truncatedTo.get(actorId) ?? 0;
        this.#truncatedTo.set(actorId, Math.max(done, removed));
      }),
    );
  }

  #watch(call: Promise<unknown>): void {
    this.#others.push(call.catch((error) => {
      const codes = ["STORAGE_FAILED", "CONFLICT", "TRUNCATED"];
      const isExpected = error instanceof PersistenceError && codes.includes(error.code);
      if (!isExpected && error.message !== "aborted") throw error;
    }));
  }

  /** Compares what was promised with what is there. */
  async check(journal: MessageJournal<number>): Promise<void> {
    assert.deepEqual(
      this.#journals.flat().map(({ pending }) => pending),
      this.#journals.flat().map(() => ({ messages: 0, bytes: 0 })),
    );
    for (const actorId of [...ACTORS, STREAMED]) {
      const entries = await journal.readFrom(actorId, 0);
      assertConsecutive(entries);
      const next = (await journal.getHighestSequenceNumber(actorId)) + 1;
      const first = entries[0]?.sequenceNumber ?? next;
      assert.equal(first + entries.length, next);
      assert.ok(first >= (this.#truncatedTo.get(actorId) ?? 0), "truncated");
      const stored = new Map(entries.map((entry) => [entry.sequenceNumber, entry.message]));
      const streamed = actorId === STREAMED ? await this.#checkStreams([...stored.values()]) : 0;
      await this.#checkCalls(actorId, first, next - streamed, stored);
    }
  }

  /** What a stream wrote is there in order and without a gap; all of it where it was closed. */
  async #checkStreams(stored: readonly number[]): Promise<number> {
    let found = 0;
    for (const { messages, isBroken, isAborted, error } of await Promise.all(this.#streams)) {
      const own = new Set(messages);
      const durable = stored.filter((message) => own.has(message));
      assert.deepEqual(durable, messages.slice(0, durable.length), "no gap in a stream");
      found += durable.length;
      if (error === undefined) {
        assert.ok(!isBroken && !isAborted);
        assert.equal(durable.length, messages.length, "all of a closed stream");
      } else if (error instanceof PersistenceError && error.code === "UNENCODABLE") {
        assert.ok(isBroken);
        assert.equal(durable.length, messages.length, "all before the broken chunk");
      } else if (error instanceof PersistenceError) {
        // CLOSED where its journal was closed before it was.
        assert.ok(["STORAGE_FAILED", "CLOSED"].includes(error.code), error.message);
      } else assert.ok(isAborted, String(error));
    }
    return found;
  }

  async #checkCalls(
    actorId: string,
    first: number,
    next: number,
    stored: Map<number, number>,
  ): Promise<void> {
    const lastOf = new Map<number, number>();
    let acknowledged = 0;
    for (const call of this.#calls) {
      if (call.actorId !== actorId) continue;
      const outcome = await call.outcome;
      if (outcome instanceof Error) {
        assertRefusedRightly(call, outcome);
        const messages = new Set(stored.values());
        for (const message of call.messages) assert.ok(!messages.has(message), "not acknowledged");
        continue;
      }
      acknowledged += call.messages.length;
      if (call.expected !== undefined) assert.equal(outcome, call.expected);
      assert.ok(outcome > (lastOf.get(call.provider) ?? -1), "order of calls");
      lastOf.set(call.provider, outcome + call.messages.length - 1);
      call.messages.forEach((message, index) => {
        if (outcome + index >= first) assert.equal(stored.get(outcome + index), message);
      });
    }
    assert.equal(acknowledged, next, "every number was acknowledged once");
  }
}

function isBatched(journal: MessageJournal<number>): journal is BatchedMessageJournal<number> {
  return "flush" in journal;
}

function ignore(): void {
  // The outcome of the stream tells.
}

function assertConsecutive(entries: readonly { sequenceNumber: number }[]): void {
  entries.forEach((entry, index) => {
    assert.equal(entry.sequenceNumber, (entries[0]?.sequenceNumber ?? 0) + index);
  });
}

function assertRefusedRightly(call: Call, error: Error): void {
  if (error instanceof PersistenceError) {
    const codes = ["STORAGE_FAILED", "CONFLICT", "BACKPRESSURE"];
    assert.ok(codes.includes(error.code), error.message);
    if (error.code === "CONFLICT") assert.notEqual(error.actualSequenceNumber, call.expected);
  } else {
    assert.ok(call.aborted && error.message === "aborted", String(error));
  }
}

/**
 * Stores numbers, of which every third has much room around it: so that journals have both tails and
 * frames.
 */
class RoomyCodec implements Codec {
  readonly name = "roomy";
  readonly #inner = new MessagePackCodec();

  encode(value: unknown): Uint8Array {
    const bytes = this.#inner.encode(value);
    const roomy = new Uint8Array(Number(value) % 3 === 0 ? 400 : 1 + bytes.length);
    roomy[0] = bytes.length;
    roomy.set(bytes, 1);
    return roomy;
  }

  decode(bytes: Uint8Array): unknown {
    return this.#inner.decode(bytes.subarray(1, 1 + (bytes[0] ?? 0)));
  }
}

function open(storage: Storage, options: ProviderOptions = {}): Promise<PersistenceProvider> {
  return PersistenceProvider.openOn(storage, { ...options, codec: new RoomyCodec() });
}

async function chaos(seed: number, rates: ChaosRates): Promise<void> {
  const random = randomFrom(seed);
  const database = new MemoryDatabase();
  const limits = { maxPendingMessages: 1 + random.below(60) };
  const providers: PersistenceProvider[] = [];
  // Each on a storage of its own over the same data: they conflict as processes do.
  for (let count = 1 + random.below(3); count > 0; count--) {
    const prepared = await open(await MemoryStorage.open({ database }));
    await prepared.close();
    const storage = new ChaosStorage(await MemoryStorage.open({ database }), random, {
      failedCommits: 0,
      failedReads: 0,
    });
    const rated = new ChaosStorage(storage, random, rates);
    providers.push(await openPatiently(rated, limits));
  }
  const run = new Chaos(random, providers);
  await run.run(20 + random.below(120));
  for (const provider of providers) await provider.close();
  await using quiet = await open(await MemoryStorage.open({ database }));
  await run.check(quiet.createMessageJournal<number>());
}

/** Opening reads, which may fail; it closes the storage then, but that of a test can stay open. */
async function openPatiently(
  storage: ChaosStorage,
  limits: { maxPendingMessages: number },
): Promise<PersistenceProvider> {
  storage.close = () => Promise.resolve();
  for (;;) {
    try {
      return await open(storage, limits);
    } catch (error) {
      if (!(error instanceof PersistenceError) || error.code !== "STORAGE_FAILED") throw error;
    }
  }
}

const kinds: [string, ChaosRates][] = [
  ["answers late", { failedCommits: 0, failedReads: 0 }],
  ["fails now and then", { failedCommits: 10, failedReads: 1 }],
  ["fails often", { failedCommits: 50, failedReads: 10 }],
];

for (const [name, rates] of kinds) {
  test(`nothing is lost, doubled or reordered on a storage that ${name}`, async () => {
    const start = Math.floor(Math.random() * 2 ** 31);
    let seed = start;
    const lanes = Array.from({ length: LANES }, async () => {
      while (seed < start + ROUNDS) await round(seed++, rates);
    });
    await Promise.all(lanes);
  });
}

async function round(seed: number, rates: ChaosRates): Promise<void> {
  try {
    await chaos(seed, rates);
  } catch (cause) {
    throw new Error(`failed with seed ${seed}: ${cause}`, { cause });
  }
}
