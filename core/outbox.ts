/**
 * The outbox of an actor: effects that were stored with what they belong to, and are handed to
 * `deliver` until it has confirmed them, across failures and restarts: at least once, each with an
 * id by which the receiver can tell that it has it already.
 *
 * @module
 */

import type { EffectPlace, PendingEffect } from "./actor_entry.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import { ArgumentTypeError, PersistenceError } from "./errors.ts";
import { Fifo } from "./mailbox.ts";
import { retryDelayMs, type RetryPolicy, sleep } from "./retry.ts";
import type { MaybePromise } from "./storage.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_CONCURRENCY = 2 ** 20;

/** What `deliver` is told beside the effect. */
export interface Delivery {
  /**
   * The same for each attempt, also after a restart, and different from that of every other effect:
   * the actor's id, the sequence number and the index, joined by slashes.
   */
  readonly id: string;
  /** The actor that decided on the effect. */
  readonly actorId: string;
  /** The sequence number of the entry that the effect was stored with. */
  readonly sequenceNumber: number;
  /** Which attempt it is since the actor was started, beginning with 1. */
  readonly attempt: number;
  /** Aborts when the attempt takes too long; it then counts as failed. */
  readonly signal: AbortSignal;
}

/** How effects are delivered. */
export interface OutboxOptions<Effect> {
  /**
   * Delivers an effect. When it returns, or its promise resolves, the effect is confirmed, and is not
   * delivered again once that is stored. When it fails it is called again later, with the delays of
   * `retry`, for as long as it takes.
   *
   * @param effect The effect. It must not be changed.
   * @param delivery Its id, and which attempt it is.
   */
  deliver(effect: Effect, delivery: Delivery): MaybePromise<void>;
  /**
   * How many effects of the actor are delivered at once, from 1 to 2^20. With 1, the default, an
   * effect is delivered when those before it have been: the order of effects is that of decisions.
   */
  concurrency?: number;
  /** How long an attempt may take in milliseconds, from 1 to 2^31 - 1. Default: 30,000. */
  timeoutMs?: number;
}

/** What an outbox needs of its actor. */
export interface OutboxOwner {
  readonly actorId: string;
  readonly retry: RetryPolicy;
  /** An effect was delivered: to be stored. */
  confirm(place: EffectPlace): void;
  /** An attempt failed. */
  failed(id: string, attempt: number, error: unknown): void;
  /** The outbox has become empty. */
  emptied(): void;
}

interface Item {
  readonly id: string;
  readonly effect: PendingEffect;
}

/** The outbox of an actor. */
export class Outbox<Effect> {
  readonly #options: Required<OutboxOptions<Effect>>;
  readonly #owner: OutboxOwner;
  readonly #waiting = new Fifo<Item>();
  /** All that are not confirmed durably, by id. */
  readonly #known = new Map<string, Item>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  /**
   * @param options How effects are delivered.
   * @param owner The actor.
   */
  constructor(options: OutboxOptions<Effect>, owner: OutboxOwner) {
    const operation = `start actor "${owner.actorId}"`;
    checkOptions(options, operation);
    if (typeof options.deliver !== "function") {
      throw new ArgumentTypeError(
        `Cannot ${operation}: deliver must be a function, not ${typeof options.deliver}`,
      );
    }
    const { concurrency = 1, timeoutMs = 30_000 } = options;
    checkInteger(concurrency, "concurrency", 1, MAX_CONCURRENCY, operation);
    checkInteger(timeoutMs, "timeoutMs", 1, MAX_TIMER_MS, operation);
    this.#options = {
      deliver: (effect, delivery) => options.deliver(effect, delivery),
      concurrency,
      timeoutMs,
    };
    this.#owner = owner;
  }

  /** How many effects have not been confirmed durably. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * An effect is durable, and can be delivered.
   *
   * @param effect The effect.
   */
  add(effect: PendingEffect): void {
    const id = effectId(this.#owner.actorId, effect);
    if (this.#known.has(id)) return;
    const item = { id, effect };
    this.#known.set(id, item);
    this.#waiting.push(item);
    this.#run();
  }

  /**
   * The actor was recovered.
   *
   * @param pending The effects that are not confirmed, according to the journal.
   */
  reset(pending: readonly PendingEffect[]): void {
    const ids = new Set(pending.map((effect) => effectId(this.#owner.actorId, effect)));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
    for (const effect of pending) this.add(effect);
  }

  /**
   * Effects are confirmed durably.
   *
   * @param places Which ones.
   */
  forget(places: readonly EffectPlace[]): void {
    for (const place of places) this.#known.delete(effectId(this.#owner.actorId, place));
    if (this.#known.size === 0) this.#owner.emptied();
  }

  /** Begins no further attempt, and waits for those that are under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #run(): void {
    while (this.#running.size < this.#options.concurrency && !this.#stop.signal.aborted) {
      const item = this.#waiting.shift();
      if (!item) return;
      if (!this.#known.has(item.id)) continue;
      const running = this.#deliver(item).finally(() => {
        this.#running.delete(running);
        this.#run();
      });
      this.#running.add(running);
    }
  }

  async #deliver(item: Item): Promise<void> {
    const { signal } = this.#stop;
    for (let attempt = 1; !signal.aborted && this.#known.has(item.id); attempt++) {
      try {
        await this.#attempt(item, attempt);
        return this.#owner.confirm([item.effect[0], item.effect[1]]);
      } catch (error) {
        this.#owner.failed(item.id, attempt, error);
        await sleep(retryDelayMs(this.#owner.retry, attempt), signal);
      }
    }
  }

  async #attempt({ id, effect }: Item, attempt: number): Promise<void> {
    const [sequenceNumber, , content] = effect;
    const { actorId } = this.#owner;
    const controller = new AbortController();
    const timedOut = new Promise<never>((_, reject) => {
      controller.signal.addEventListener("abort", () => reject(controller.signal.reason));
    });
    const timer = setTimeout(
      () => controller.abort(lateDelivery(id, this.#options.timeoutMs)),
      this.#options.timeoutMs,
    );
    try {
      // What was stored as an effect is what the user declared it to be.
      const delivered = this.#options.deliver(content as Effect, {
        id,
        actorId,
        sequenceNumber,
        attempt,
        signal: controller.signal,
      });
      await Promise.race([delivered, timedOut]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * The id of an effect. It ends with two numbers, so no two effects share one, whatever the actor's
 * id contains.
 *
 * @param actorId The actor.
 * @param place Where the effect was stored.
 * @returns The id.
 */
export function effectId(actorId: string, place: EffectPlace | PendingEffect): string {
  return `${actorId}/${place[0]}/${place[1]}`;
}

function lateDelivery(id: string, timeoutMs: number): PersistenceError {
  return new PersistenceError(
    "TIMEOUT",
    `Cannot deliver effect "${id}": it took longer than ${timeoutMs} ms`,
  );
}
