/**
 * Delivers one effect after the other, and stores what came of it: that it was delivered, that it is
 * tried again, or that it was given up.
 *
 * @module
 */

import type { EffectContent, OutboxStore } from "../ports/outbox_store.ts";
import { messageOf } from "../util/text.ts";
import type { ActorEvents } from "./actor_events.ts";
import { Confirmations } from "./confirmations.ts";
import { attemptDelivery, type AttemptParts, type EffectItem } from "./effect_attempt.ts";
import type { OutboxOptions } from "./outbox_options.ts";
import type { ActorProblem } from "./report.ts";
import type { Settled } from "../util/settled.ts";
import type { StorePatience } from "./store_patience.ts";

/** What delivering needs. */
export interface DelivererParts<Effect> extends AttemptParts<Effect> {
  readonly options: Required<OutboxOptions<Effect>>;
  readonly store: OutboxStore;
  readonly events: ActorEvents;
  report(problem: ActorProblem): void;
}

/** Who hears what has become of effects. */
export interface DeliveryListener {
  /** They are no longer open, and that is durable. */
  closed(items: readonly EffectItem[]): void;
  /** It failed, and is to be tried again when it is due. That is not stored yet. */
  postponed(item: EffectItem): void;
}

/** Delivers effects. */
export class EffectDeliverer<Effect> {
  readonly #parts: DelivererParts<Effect>;
  readonly #patience: StorePatience;
  readonly #listener: DeliveryListener;
  readonly #confirmations = new Confirmations((items) => this.#confirm(items));

  /**
   * @param parts What it works with.
   * @param patience With which the store is used.
   * @param listener Hears what has become of effects.
   */
  constructor(
    parts: DelivererParts<Effect>,
    patience: StorePatience,
    listener: DeliveryListener,
  ) {
    this.#parts = parts;
    this.#patience = patience;
    this.#listener = listener;
  }

  /**
   * Makes an attempt.
   *
   * @param item The effect.
   * @returns When the next one of its actor can be delivered. It does not reject.
   */
  async deliver(item: EffectItem): Promise<void> {
    const { store, options, events } = this.#parts;
    const read = await this.#patience.untilDone(async () => [await store.content(item.effect)]);
    if (!read || this.#patience.isOver) return;
    const [stored] = read;
    // Its actor was deleted, or another process has delivered it.
    if (!stored || item.isReplaced) return this.#listener.closed([item]);
    const tell = events.delivering();
    const content = readContent<Effect>(stored);
    if (content.type === "error") {
      // No further attempt can be any better.
      item.attempts++;
      tell("dead-letter", item.attempts);
      return await this.#giveUp(item, content.error);
    }
    const outcome = await attemptDelivery(this.#parts, item, content.value);
    if (outcome.type === "value") {
      tell("delivered", item.attempts + 1);
      return this.#confirmations.add(item);
    }
    item.attempts++;
    const { error } = outcome;
    tell(item.attempts < options.maxAttempts ? "retry" : "dead-letter", item.attempts);
    this.#report("delivery", error, item);
    if (item.isReplaced) return this.#listener.closed([item]);
    if (item.attempts < options.maxAttempts) return await this.#postpone(item);
    await this.#giveUp(item, error);
  }

  /** Resolves when all that was delivered is stored, or cannot be. */
  confirmed(): Promise<void> {
    return this.#confirmations.ends();
  }

  async #postpone(item: EffectItem): Promise<void> {
    const { store, clock, options: { initialDelayMs, maxDelayMs } } = this.#parts;
    const longestMs = Math.min(maxDelayMs, initialDelayMs * 2 ** (item.attempts - 1));
    // Half of it at random, so that what failed together does not come back together.
    const delayMs = longestMs / 2 + (longestMs / 2) * Math.random();
    item.dueAtMs = clock.monotonic() + delayMs;
    this.#listener.postponed(item);
    try {
      await store.postpone(item.effect, item.attempts, new Date(clock.now() + delayMs));
    } catch (error) {
      // It is known in memory. After a restart it has an attempt more than it should have.
      this.#report("outbox", error, item);
    }
  }

  async #giveUp(item: EffectItem, error: unknown): Promise<void> {
    const { store } = this.#parts;
    const reason = messageOf(error);
    const isBuried = await this.#patience.untilDone(async () => {
      if (!item.isReplaced) await store.bury(item.effect, item.attempts, reason);
      return true;
    });
    if (!isBuried) return;
    if (!item.isReplaced) this.#report("dead-letter", error, item);
    this.#listener.closed([item]);
  }

  async #confirm(items: readonly EffectItem[]): Promise<void> {
    const { store } = this.#parts;
    const isConfirmed = await this.#patience.untilDone(async () => {
      const own = items.filter(({ isReplaced }) => !isReplaced);
      await store.confirm(own.map(({ effect }) => effect));
      return true;
    });
    if (isConfirmed) this.#listener.closed(items);
  }

  #report(type: "delivery" | "dead-letter" | "outbox", error: unknown, item: EffectItem): void {
    const { kind, report } = this.#parts;
    const { actorId } = item.effect;
    report({ type, kind, actorId, error, effectId: item.id, attempt: item.attempts });
  }
}

/** What was stored as an effect is what the user declared it to be, unless it is damaged. */
function readContent<Effect>(stored: EffectContent): Settled<Effect> {
  try {
    return { type: "value", value: stored.effect as Effect };
  } catch (error) {
    return { type: "error", error };
  }
}
