/**
 * Event sourcing: messages are decided and applied when they are begun, and answered when the events
 * are durable.
 *
 * @module
 */

import { ArgumentTypeError } from "../errors/persistence_error.ts";
import type { PreparedEntries } from "../ports/actor_store.ts";
import type { Metadata } from "../ports/journal.ts";
import { copyValue } from "../util/copy_value.ts";
import { isPlainObject } from "../util/plain_object.ts";
import { isUnwantedPromise, type MaybePromise } from "../util/promises.ts";
import { estimateBytes } from "../util/size_estimate.ts";
import type { ActorContext } from "./actor_context.ts";
import {
  checkHandlerResult,
  type Decision,
  type EventSourcing,
  type HandlerAnswer,
} from "./behavior.ts";
import { watchState } from "./debug.ts";
import { type Capture, type InFlightTask, inFlightTask, type Refusal } from "./in_flight.ts";
import type { Letter } from "./mailbox.ts";
import { recoverJournal } from "./recovery.ts";
import { settle, type Settled } from "../util/settled.ts";
import {
  type RecoveredState,
  type RecoveryWatch,
  storableInitialState,
  type Strategy,
} from "./strategy.ts";

/** Event sourcing, for one actor. */
export class EventStrategy<State, Command, Event, Reply, Effect>
  implements Strategy<State, Command, Reply> {
  readonly decidesAtBegin = true;
  readonly #context: ActorContext<State, Command, Event, Reply, Effect>;
  readonly #events: EventSourcing<State, Command, Event, Reply, Effect>;
  /** The message whose handler was seen to change the state. */
  #spoiltBy: Letter<Command, Reply> | undefined;

  /**
   * @param context The actor.
   * @param events The handler of commands, and the fold of events.
   */
  constructor(
    context: ActorContext<State, Command, Event, Reply, Effect>,
    events: EventSourcing<State, Command, Event, Reply, Effect>,
  ) {
    this.#context = context;
    this.#events = events;
  }

  /** See {@linkcode Strategy.recover}. */
  async recover(to: number | undefined, watch: RecoveryWatch): Promise<RecoveredState<State>> {
    const { actorId, store, policy } = this.#context;
    let replayedBytes = 0;
    const { recovery, journal } = await recoverJournal<State, Event>({
      actorId,
      journal: store.journal,
      snapshots: store.snapshots,
      initialState: storableInitialState(store, this.#events.initialState),
      apply: (state, event) => {
        if (policy.countsBytes) replayedBytes += estimateBytes(event);
        return this.#apply(state, event);
      },
      ...(to !== undefined && { to }),
      ...watch,
    });
    return { recovery, journal, replayedBytes, refusals: [] };
  }

  /** See {@linkcode Strategy.decide}. */
  decide(letter: Letter<Command, Reply>): MaybePromise<Settled<unknown>> {
    const context = this.#context;
    if (context.options.debug) return this.#decideWatched(letter);
    const { handle } = this.#events;
    return settle(() => context.callHandler(letter, () => handle(context.state, letter.message)));
  }

  /** Decides, and finds out whether that has changed the state. */
  async #decideWatched(letter: Letter<Command, Reply>): Promise<Settled<unknown>> {
    const context = this.#context;
    const { handle } = this.#events;
    let assertUnchanged: (callback: string) => void;
    try {
      assertUnchanged = watchState(() => context.capture(context.next - 1).state.bytes);
    } catch (error) {
      // That it cannot be stored would show with the next snapshot only.
      return { type: "error", error };
    }
    const decision = await settle(() =>
      context.callHandler(letter, () => handle(context.state, letter.message))
    );
    try {
      assertUnchanged("handle");
      return decision;
    } catch (error) {
      this.#spoiltBy = letter;
      return decision.type === "error" ? decision : { type: "error", error };
    }
  }

  /** See {@linkcode Strategy.begin}. */
  begin(
    letter: Letter<Command, Reply>,
    decided: Settled<unknown>,
  ): InFlightTask<Command, Reply> {
    if (decided.type === "error") return this.#refuse(letter, decided.error);
    const context = this.#context;
    // It is checked at once, so it is what a handler may return.
    const decision = decided.value as HandlerAnswer<Decision<State, Event, Reply, Effect>>;
    try {
      checkHandlerResult(decision, "events", context.options.hasOutbox);
    } catch (error) {
      return this.#refuse(letter, error);
    }
    return this.#accept(letter, decision ?? {});
  }

  /** See {@linkcode Strategy.captureBegun}. */
  captureBegun(): Capture {
    return this.#context.capture(this.#context.next - 1);
  }

  /** See {@linkcode Strategy.captureReleased}. The state may be ahead, so it was taken before. */
  captureReleased(): Capture {
    return this.captureBegun();
  }

  /** See {@linkcode Strategy.handle}. */
  handle(): undefined {
    return undefined;
  }

  /** See {@linkcode Strategy.release}. */
  release(
    task: InFlightTask<Command, Reply>,
    letter: Letter<Command, Reply>,
  ): Refusal | undefined {
    const context = this.#context;
    context.deliver(task.effects);
    if (task.refusal) letter.reject(task.refusal.error);
    else context.answer(letter, task.reply as MaybePromise<Reply>, task.afterPersist);
    if (task.capture) context.save(task.capture);
    return undefined;
  }

  /** Events are facts: nothing else need be known of them. */
  end(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Encodes what was decided, before the answer sees it; then applies copies of it. They share
   * nothing with the state, like the events of a replay.
   */
  #accept(
    letter: Letter<Command, Reply>,
    { events = [], effects = [], metadata, reply, afterPersist }: Decision<
      State,
      Event,
      Reply,
      Effect
    >,
  ): InFlightTask<Command, Reply> {
    const context = this.#context;
    let entries: PreparedEntries | undefined;
    // The list may be part of the state, too.
    const copies: Event[] = [];
    try {
      if (events.length + effects.length > 0) {
        const beside = besideEvents(letter.metadata, metadata, effects);
        entries = context.store.prepareEntries(context.actorId, events, beside);
      }
      for (let index = 0; index < events.length; index++) {
        copies.push(copyValue(events[index] as Event));
      }
    } catch (error) {
      // Nothing has been applied: the state is as it was, and only this message is concerned.
      return { ...inFlightTask(letter, context.next - 1), refusal: { error, directive: "resume" } };
    }
    const last = context.next + copies.length - 1;
    const task = inFlightTask<Command, Reply>(letter, last, entries);
    try {
      for (const event of copies) context.state = this.#apply(context.state, event);
    } catch (error) {
      return this.#refuse(letter, error, copies.length > 0);
    }
    try {
      task.reply = context.makeReply(letter, reply);
    } catch (error) {
      // What was decided stands; only the answer is missing.
      task.refusal = { error, directive: "resume" };
    }
    task.afterPersist = task.refusal ? undefined : afterPersist;
    task.capture = context.observe(copies.length, entries?.bytes ?? 0, last);
    return task;
  }

  /**
   * Nothing is stored. What was thrown may come from a state that is not durable yet, so the asker
   * hears of it when everything before is.
   *
   * @param isSpoilt Whether the state has been changed: then it must be recovered in any case.
   */
  #refuse(
    letter: Letter<Command, Reply>,
    error: unknown,
    isSpoilt: boolean = this.#spoiltBy === letter,
  ): InFlightTask<Command, Reply> {
    const context = this.#context;
    const refusal = context.supervise(error, letter.message);
    const task = inFlightTask<Command, Reply>(letter, context.next - 1);
    task.refusal = isSpoilt && refusal.directive === "resume"
      ? { ...refusal, directive: "restart" }
      : refusal;
    return task;
  }

  #apply(state: State, event: Event): State {
    const after = this.#events.apply(state, event);
    if (!isUnwantedPromise(after)) return after;
    throw new ArgumentTypeError("Cannot apply event: apply must answer at once, not by a promise");
  }
}

interface BesideEvents {
  readonly metadata?: Metadata;
  readonly effects?: readonly unknown[];
}

const NOTHING: BesideEvents = {};

/** The metadata of the message, and on top of it that of the decision; and the effects. */
function besideEvents(
  ofMessage: Metadata | undefined,
  ofDecision: Metadata | undefined,
  effects: readonly unknown[],
): BesideEvents {
  if (ofMessage === undefined && ofDecision === undefined) {
    return effects.length === 0 ? NOTHING : { effects };
  }
  // What is no plain object is refused by the store.
  const areObjects = isPlainObject(ofMessage) && isPlainObject(ofDecision);
  const either = ofDecision === undefined ? ofMessage : ofDecision;
  const metadata = areObjects ? { ...ofMessage, ...ofDecision } : either;
  return metadata === undefined ? { effects } : { metadata, effects };
}
