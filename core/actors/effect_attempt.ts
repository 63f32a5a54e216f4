/**
 * One attempt to deliver an effect, within its time.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { CallChain } from "../ports/actor_store.ts";
import type { CallContext } from "../ports/call_context.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { OpenEffect } from "../ports/outbox_store.ts";
import type { OutboxOptions } from "./outbox_options.ts";
import { callAs } from "./call_chain.ts";
import { settle, type Settled } from "../util/settled.ts";

/** What attempts have in common. */
export interface AttemptParts<Effect> {
  readonly kind: string;
  readonly options: Pick<Required<OutboxOptions<Effect>>, "deliver" | "timeoutMs">;
  readonly clock: Clock;
  readonly callContext: CallContext<CallChain> | undefined;
  /** The object that the actors belong to. */
  readonly owner: unknown;
}

/** An effect in memory. */
export interface EffectItem {
  readonly id: string;
  readonly effect: OpenEffect;
  /** How many attempts have failed. */
  attempts: number;
  /** Not before this time of the monotonic clock is the next attempt due. */
  dueAtMs: number;
  /** Whether another effect has its id now, since its actor was deleted and has begun anew. */
  isReplaced: boolean;
}

/**
 * Calls `deliver`.
 *
 * @param parts What attempts have in common.
 * @param item The effect, as it stands in the outbox.
 * @param content The effect.
 * @returns What came of it; an error, too, if it took too long.
 */
export async function attemptDelivery<Effect>(
  { kind, options, clock, callContext, owner }: AttemptParts<Effect>,
  { id, effect, attempts }: EffectItem,
  content: Effect,
): Promise<Settled<void>> {
  const { actorId, sequenceNumber } = effect;
  const controller = new AbortController();
  const name = `actor "${actorId}" of kind "${kind}"`;
  const chain: CallChain = {
    role: "deliver",
    name,
    kind,
    actorId,
    owner,
    caller: undefined,
    isAsked: false,
    isOver: false,
  };
  const deliver = () =>
    options.deliver(content, {
      id,
      kind,
      actorId,
      sequenceNumber,
      attempt: attempts + 1,
      signal: controller.signal,
    });
  let timer: Timer | undefined;
  const timedOut = new Promise<Settled<void>>((resolve) => {
    timer = clock.setTimer(
      () => {
        const error = new PersistenceError(
          "TIMEOUT",
          `Cannot deliver effect "${id}": it took longer than ${options.timeoutMs} ms`,
          { kind, actorId },
        );
        resolve({ type: "error", error });
        controller.abort(error);
      },
      options.timeoutMs,
      false,
    );
  });
  try {
    const delivered = settle(() => callAs(callContext, chain, deliver));
    return await Promise.race([delivered, timedOut]);
  } finally {
    timer?.cancel();
  }
}
