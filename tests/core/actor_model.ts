import assert from "node:assert/strict";
import fc from "fast-check";
import { StatefulActor } from "../../core/actor.ts";
import { type Behavior, commandSourced, eventSourced } from "../../core/behavior.ts";
import { ArgumentTypeError, PersistenceError } from "../../core/errors.ts";
import { PersistenceProvider } from "../../core/provider.ts";
import type { RetentionOptions } from "../../core/retention.ts";
import { RetentionSweep } from "../../core/retention_sweep.ts";
import type { Storage } from "../../core/storage.ts";
import { type Random, randomFrom } from "../conformance/random.ts";
import type { ChaosRates } from "./chaos_storage.ts";
import { CrashingStorage } from "./crashing_storage.ts";

/** What is done to an actor. */
export type Step =
  | { readonly type: "send"; readonly count: number; readonly how: "tell" | "ask" }
  | { readonly type: "effect" }
  | { readonly type: "refuse" }
  | { readonly type: "read" }
  | { readonly type: "unencodable" }
  | { readonly type: "turns"; readonly count: number }
  | { readonly type: "settle" }
  | { readonly type: "snapshot" }
  | { readonly type: "sweep" }
  | { readonly type: "stop" }
  | { readonly type: "crash" };

/** A whole history of an actor. */
export interface History {
  readonly kind: "events" | "commands";
  readonly steps: readonly Step[];
  readonly seed: number;
  readonly rates: ChaosRates;
  readonly retention: RetentionOptions;
  readonly snapshotEvery: number;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 3 }),
      how: fc.constantFrom("tell" as const, "ask" as const),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "effect" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "refuse" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "read" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "unencodable" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("turns" as const),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "settle" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "snapshot" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "sweep" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "stop" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "crash" as const }) },
);

/** Histories, which shrink to fewer steps. */
export const histories: fc.Arbitrary<History> = fc.record({
  kind: fc.constantFrom("events" as const, "commands" as const),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
  seed: fc.nat(),
  rates: fc.record({
    failedCommits: fc.constantFrom(0, 0, 5, 30),
    failedReads: fc.constantFrom(0, 0, 3),
  }),
  retention: fc.record({
    mode: fc.constantFrom("off" as const, "onSnapshot" as const),
    retainMessagesBehindSnapshot: fc.integer({ min: 0, max: 6 }),
  }),
  snapshotEvery: fc.integer({ min: 1, max: 12 }),
});

/** What is sent: an amount that nothing else has. */
interface Message {
  readonly amounts?: readonly number[];
  readonly effect?: number;
  readonly refuse?: boolean;
  readonly bad?: () => void;
}

/** A call, and what has become of it. */
interface Call {
  readonly amounts: readonly number[];
  /** Whether its handler refuses it. */
  readonly refused: boolean;
  outcome: "open" | "acknowledged" | "rejected";
  reply?: readonly number[];
}

/**
 * Carries a history out, and compares what is recovered with what was promised.
 *
 * @param disk Where everything is stored. It is not closed.
 * @param history The history.
 */
export async function carryOut(disk: Storage, history: History): Promise<void> {
  const run = new Run(disk, history);
  for (const step of history.steps) await run.carryOut(step);
  await run.end();
}

class Run {
  readonly #disk: Storage;
  readonly #history: History;
  readonly #random: Random;
  readonly #behavior: Behavior<number[], Message, unknown, number[], number>;
  #rates: ChaosRates;
  #life: Life;
  /** What the actor was recovered with at the beginning of this life. */
  #base: readonly number[] = [];
  readonly #calls: Call[] = [];
  /** The calls of this life. */
  #recent: Call[] = [];
  #next = 0;
  /** Effects by the amount of their message. */
  readonly #effects = new Map<number, number>();
  readonly #delivered = new Map<number, Set<string>>();

  constructor(disk: Storage, history: History) {
    this.#disk = disk;
    this.#history = history;
    this.#random = randomFrom(history.seed);
    this.#behavior = history.kind === "events" ? events : commands;
    this.#rates = history.rates;
    this.#life = this.#start();
  }

  async carryOut(step: Step): Promise<void> {
    const { actor } = this.#life;
    switch (step.type) {
      case "send":
        // A message of command sourcing is one entry.
        return this.#send(Array.from({ length: step.count }, () => this.#next++), step.how);
      case "effect":
        return this.#sendEffect();
      case "refuse":
        return this.#watch({ amounts: [this.#next++], refuse: true }, "tell");
      case "unencodable":
        return this.#watch({ amounts: [this.#next++], bad: () => {} }, "tell");
      case "read":
        return this.#watch({}, "ask");
      case "turns":
        for (let left = step.count; left > 0; left--) await undefined;
        return;
      case "settle":
        return await new Promise((resolve) => setTimeout(resolve, 1));
      case "snapshot":
        return void actor.then((actor) => actor?.snapshot()).catch(assertExpected);
      case "sweep":
        return await this.#sweep();
      case "stop":
        (await actor)?.stop();
        return void await this.#restart(false);
      case "crash":
        return void await this.#restart(true);
    }
  }

  /** Ends well: then everything that was promised must be there. */
  async end(): Promise<void> {
    this.#rates = NEVER;
    await this.#restart(false);
    const actor = await this.#life.actor;
    assert.ok(actor);
    // Whatever had failed while the storage was bad is delivered in the end.
    while (!actor.isIdle && actor.status !== "stopped") await pause();
    const state = await this.#restart(false);
    const durable = new Set(state);
    for (const [amount, effect] of this.#effects) {
      const ids = this.#delivered.get(effect);
      assert.equal(ids !== undefined, durable.has(amount), `effect of ${amount}`);
      assert.ok(ids === undefined || ids.size === 1, "the id of an effect is always the same");
    }
    for (const { reply, amounts } of this.#calls) {
      if (reply === undefined) continue;
      assert.deepEqual(reply, state.slice(0, reply.length), "an answer is a state that was there");
      const own = reply.slice(reply.length - amounts.length);
      assert.deepEqual(own, amounts, "and ends with what it is the answer to");
    }
    await (await this.#life.actor)?.stop();
    await this.#life.provider.then((provider) => provider?.close());
  }

  #sendEffect(): void {
    const amount = this.#next++;
    this.#effects.set(amount, amount + 0.5);
    this.#watch({ amounts: [amount], effect: amount + 0.5 }, "ask");
  }

  #send(amounts: readonly number[], how: "tell" | "ask"): void {
    this.#watch({ amounts }, how);
  }

  /** Sends a message, and notes what becomes of it as long as this life lasts. */
  #watch(message: Message, how: "tell" | "ask"): void {
    const refused = message.refuse === true || message.bad !== undefined;
    const call: Call = { amounts: message.amounts ?? [], refused, outcome: "open" };
    this.#calls.push(call);
    this.#recent.push(call);
    const life = this.#life;
    void life.actor.then(async (actor) => {
      if (!actor) return;
      try {
        const reply = how === "ask" ? await actor.ask(message) : await actor.tell(message);
        if (life.isOver) return;
        assert.ok(!refused, "what is refused is not acknowledged");
        call.outcome = "acknowledged";
        if (reply) call.reply = [...reply];
      } catch (error) {
        if (life.isOver) return;
        assertExpected(error);
        // A stopped actor tells nobody what has become of what it had begun.
        if (actor.status !== "stopped") call.outcome = "rejected";
      }
    }).catch((error) => void (life.defect ??= error));
  }

  async #sweep(): Promise<void> {
    const provider = await this.#life.provider;
    if (!provider) return;
    await using sweep = new RetentionSweep({
      provider,
      retainMessagesBehindSnapshot: this.#random.below(4),
    });
    await sweep.run().catch(assertExpected);
  }

  /** Ends this life, by a crash or in peace, and begins the next one. Gives what was recovered. */
  async #restart(isCrash: boolean): Promise<readonly number[]> {
    const life = this.#life;
    if (isCrash) life.isOver = true;
    else await (await life.actor)?.stop();
    life.isOver = true;
    await life.storage.crash();
    if (life.defect) throw life.defect;
    const state = await this.#recovered();
    this.#compare(state, isCrash);
    this.#base = state;
    this.#recent = [];
    this.#life = this.#start();
    return state;
  }

  /** The state that another process would find. */
  async #recovered(): Promise<readonly number[]> {
    const storage = new CrashingStorage(this.#disk, this.#random, NEVER);
    await using provider = await PersistenceProvider.openOn(storage);
    await using actor = this.#startActor(provider, () => {
      // Nothing is delivered, and nothing confirmed: this life only looks.
      throw new Error("not now");
    });
    return await actor.ask({});
  }

  /** All that was acknowledged is there, at most what was open beside it, and all in order. */
  #compare(state: readonly number[], isCrash: boolean): void {
    assert.deepEqual(state.slice(0, this.#base.length), this.#base, "what was there stays");
    let rest = state.slice(this.#base.length);
    let isLost = false;
    for (const { amounts, outcome, refused } of this.#recent) {
      const isThere = amounts.length > 0 &&
        amounts.every((amount, index) => rest[index] === amount);
      if (outcome === "acknowledged") assert.ok(isThere || amounts.length === 0, "acknowledged");
      if (outcome === "rejected" || refused) assert.ok(!isThere, "rejected");
      if (outcome === "open" && amounts.length > 0 && !refused) {
        assert.ok(!(isThere && isLost), "what is lost has no successor");
        isLost ||= !isThere;
      }
      if (isThere) rest = rest.slice(amounts.length);
    }
    assert.deepEqual(
      rest,
      [],
      isCrash ? "nothing else is there" : "nothing else is there in peace",
    );
  }

  #start(): Life {
    const storage = new CrashingStorage(this.#disk, this.#random, this.#rates);
    const provider = PersistenceProvider.openOn(storage).catch((error) => {
      assertExpected(error);
      return undefined;
    });
    const actor = provider.then((provider) =>
      provider && this.#startActor(provider, (effect, id) => this.#deliver(effect, id))
    );
    return { storage, provider, actor, isOver: false, defect: undefined };
  }

  #startActor(
    provider: PersistenceProvider,
    deliver: (effect: number, id: string) => void,
  ): StatefulActor<number[], Message, number[]> {
    return StatefulActor.start<number[], Message, unknown, number[], number>({
      actorId: "a",
      journal: provider.createMessageJournal<unknown>(),
      snapshots: provider.createSnapshotStore<number[]>({ keep: 2 }),
      behavior: this.#behavior,
      retention: this.#history.retention,
      snapshotPolicy: { everyMessages: this.#history.snapshotEvery, everyMs: Infinity },
      retry: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2 },
      outbox: { deliver: (effect, { id }) => deliver(effect, id) },
      askTimeoutMs: Infinity,
      onProblem: ({ type, error }) => {
        if (type !== "delivery" && type !== "message") assertExpected(error);
      },
    });
  }

  #deliver(effect: number, id: string): void {
    const ids = this.#delivered.get(effect) ?? new Set();
    this.#delivered.set(effect, ids.add(id));
    if (this.#random.below(3) === 0) throw new Error("so wants the test");
  }
}

/** From one start of the process to its end. */
interface Life {
  readonly storage: CrashingStorage;
  /** None where the storage did not even let it begin. */
  readonly provider: Promise<PersistenceProvider | undefined>;
  readonly actor: Promise<StatefulActor<number[], Message, number[]> | undefined>;
  isOver: boolean;
  /** What a call found that must not be. */
  defect: unknown;
}

const NEVER: ChaosRates = { failedCommits: 0, failedReads: 0 };

const events: Behavior<number[], Message, unknown, number[], number> = eventSourced<
  number[],
  Message,
  unknown,
  number[],
  number
>({
  initialState: [],
  handle(_state, { amounts = [], effect, refuse, bad }) {
    if (refuse) throw new Error("refused");
    return {
      events: bad ? [bad] : amounts,
      ...(effect !== undefined && { effects: [effect] }),
      reply: (state) => [...state],
    };
  },
  apply(state, event) {
    // In place, so that a state that is not taken back shows.
    if (typeof event === "number") state.push(event);
    return state;
  },
});

const commands: Behavior<number[], Message, unknown, number[], number> = {
  ...commandSourced<number[], Message, number[], number>({
    initialState: [],
    isReadOnly: ({ amounts }) => amounts === undefined,
    handle(state, { amounts = [], effect, refuse }) {
      state.push(...amounts);
      if (refuse) throw new Error("refused");
      return {
        state,
        ...(effect !== undefined && { effects: [effect] }),
        reply: (state) => [...state],
      };
    },
  }),
};

function assertExpected(error: unknown): void {
  if (error instanceof PersistenceError) {
    const codes = ["STORAGE_FAILED", "CLOSED", "UNENCODABLE"];
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
  } else {
    const isRefusal = error instanceof Error && error.message === "refused";
    assert.ok(isRefusal || error instanceof ArgumentTypeError, String(error));
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
