/**
 * Command sourcing: messages are journaled when they are begun, handled and answered when they are
 * durable.
 *
 * What a replay cannot tell from the messages alone is remembered apart: which of them their handler
 * has refused, and up to where they have been handled. By that a message which was journaled and not
 * handled, because the process was killed, is told from one that was accepted, and is refused by a
 * new version of the handler.
 *
 * @module
 */

import { ArgumentTypeError, PersistenceError } from "../errors/persistence_error.ts";
import { retry } from "../errors/retry.ts";
import type { HandledMarks, PreparedEffect } from "../ports/actor_store.ts";
import { copyValue } from "../util/copy_value.ts";
import { isPromise, isUnwantedPromise, type MaybePromise } from "../util/promises.ts";
import { estimateBytes } from "../util/size_estimate.ts";
import type { ActorContext } from "./actor_context.ts";
import {
  checkHandlerResult,
  type CommandSourcing,
  type HandlerAnswer,
  type Outcome,
} from "./behavior.ts";
import { type Capture, type InFlightTask, inFlightTask, type Refusal } from "./in_flight.ts";
import type { Letter } from "./mailbox.ts";
import { type JournalRecovery, recoverJournal } from "./recovery.ts";
import { settle, type Settled } from "../util/settled.ts";
import {
  type RecoveredState,
  type RecoveryWatch,
  storableInitialState,
  type Strategy,
} from "./strategy.ts";

/** Effects of messages, by the sequence number of their message. */
type EffectsByMessage = Map<number, readonly PreparedEffect[]>;

/** Command sourcing, for one actor. */
export class CommandStrategy<State, Message, Reply, Effect>
  implements Strategy<State, Message, Reply> {
  readonly decidesAtBegin = false;
  readonly #context: ActorContext<State, Message, Message, Reply, Effect>;
  readonly #commands: CommandSourcing<State, Message, Reply, Effect>;
  /** Up to here all messages have been handled, and that is stored. */
  #stored = -1;
  /** Up to here this actor has handled messages, and acknowledged them. */
  #acknowledged = -1;

  /**
   * @param context The actor.
   * @param commands The handler of messages.
   */
  constructor(
    context: ActorContext<State, Message, Message, Reply, Effect>,
    commands: CommandSourcing<State, Message, Reply, Effect>,
  ) {
    this.#context = context;
    this.#commands = commands;
  }

  /** See {@linkcode Strategy.recover}. */
  async recover(to: number | undefined, watch: RecoveryWatch): Promise<RecoveredState<State>> {
    const { actorId, store } = this.#context;
    const marks = await store.readMarks(actorId);
    const refused = new Set(marks.refused);
    const newlyRefused: { readonly sequenceNumber: number; readonly error: unknown }[] = [];
    for (;;) {
      const effects: EffectsByMessage = new Map();
      try {
        const recovered = await this.#replay(to, watch, marks, refused, effects);
        await this.#remember(recovered, newlyRefused, effects);
        return { ...recovered, refusals: newlyRefused.map(({ error }) => error) };
      } catch (error) {
        const refusal = refusalOf(error);
        const accepted = Math.max(marks.handled, this.#acknowledged);
        if (!refusal || refusal.sequenceNumber <= accepted) throw error;
        // It was journaled and never handled: the process ended before. So that happens now. The
        // handler may have spoilt the state, so it is recovered once more.
        if (refused.has(refusal.sequenceNumber)) throw error;
        refused.add(refusal.sequenceNumber);
        newlyRefused.push(refusal);
      }
    }
  }

  /** See {@linkcode Strategy.decide}. */
  decide(): undefined {
    return undefined;
  }

  /** See {@linkcode Strategy.begin}. */
  begin(letter: Letter<Message, Reply>): InFlightTask<Message, Reply> {
    const { actorId, store, next } = this.#context;
    try {
      if (this.#isReadOnly(letter.message)) return inFlightTask(letter, next - 1);
    } catch (error) {
      const task = inFlightTask<Message, Reply>(letter, next - 1);
      task.refusal = this.#context.supervise(error, letter.message);
      return task;
    }
    try {
      const { metadata } = letter;
      const beside = metadata === undefined ? {} : { metadata };
      const entries = store.prepareEntries(actorId, [letter.message], beside);
      return inFlightTask(letter, next, entries, copyValue(letter.message));
    } catch (error) {
      return { ...inFlightTask(letter, next - 1), refusal: { error, directive: "resume" } };
    }
  }

  /** See {@linkcode Strategy.captureBegun}. */
  captureBegun(): undefined {
    return undefined;
  }

  /** See {@linkcode Strategy.captureReleased}. */
  captureReleased(): Capture {
    return this.#context.capture(this.#context.released);
  }

  /** See {@linkcode Strategy.handle}. */
  handle(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
  ): MaybePromise<Settled<unknown>> | undefined {
    if (task.refusal) return undefined;
    const context = this.#context;
    // What is journaled shares nothing with the sender, like the messages of a replay.
    const message = task.entries ? task.message as Message : letter.message;
    return settle(() =>
      context.callHandler(letter, () => this.#commands.handle(context.state, message))
    );
  }

  /** See {@linkcode Strategy.release}. */
  release(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    settled: Settled<unknown> | undefined,
  ): MaybePromise<Refusal | undefined> {
    const context = this.#context;
    if (task.refusal || !settled) {
      letter.reject(task.refusal?.error);
      return task.refusal;
    }
    if (settled.type === "error") return this.#refuse(task, letter, settled.error);
    // It is checked at once, so it is what a handler may return.
    const outcome = settled.value as HandlerAnswer<Outcome<State, Reply, Effect>>;
    let effects: readonly PreparedEffect[];
    try {
      checkHandlerResult(outcome, "commands", context.options.hasOutbox);
      effects = task.entries ? this.#prepare(outcome) : [];
    } catch (error) {
      return this.#refuse(task, letter, error);
    }
    if (effects.length === 0) return void this.#finish(task, letter, outcome);
    return this.#storeEffects(task, effects).then(
      () => void this.#finish(task, letter, outcome),
      (error) => {
        // The message takes effect, with its effects, when the actor is recovered.
        letter.reject(context.endedError(`handle message of ${context.name}`, error, true));
        return { error, directive: "stop" };
      },
    );
  }

  /** See {@linkcode Strategy.end}. */
  async end(): Promise<void> {
    const { actorId, store, released, journal, options } = this.#context;
    if (released <= this.#stored) return;
    await retry(() => store.writeMarks(actorId, { handled: released }, journal), options.retry);
    this.#stored = released;
  }

  #isReadOnly(message: Message): boolean {
    const answer = this.#commands.isReadOnly?.(message) ?? false;
    if (!isUnwantedPromise(answer)) return Boolean(answer);
    throw new ArgumentTypeError(
      "Cannot handle message: isReadOnly must answer at once, not by a promise",
    );
  }

  #finish(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: HandlerAnswer<Outcome<State, Reply, Effect>>,
  ): void {
    const context = this.#context;
    if (task.entries) {
      context.state = stateAfter(outcome, context.state);
      this.#acknowledged = task.last;
      context.deliver(task.effects);
      const capture = context.observe(1, task.entries.bytes, context.released);
      if (capture) context.save(capture);
    }
    try {
      context.answer(letter, context.makeReply(letter, outcome?.reply), outcome?.afterPersist);
    } catch (error) {
      // The message has taken effect; only the answer is missing.
      letter.reject(error);
    }
  }

  /**
   * The handler has thrown. The message is in the journal already, so that it was refused is
   * remembered, too: a replay then leaves it out for that reason, and for no other. Until that is
   * durable nothing else is handled.
   */
  async #refuse(
    task: InFlightTask<Message, Reply>,
    letter: Letter<Message, Reply>,
    error: unknown,
  ): Promise<Refusal> {
    const { actorId, store, options, released } = this.#context;
    if (task.entries) {
      try {
        const marks = { handled: released, refused: [task.last] };
        // Whether the actor was erased a moment ago is not looked at: if nothing can be read, this is
        // to be remembered all the same, and of a message that is gone it does no harm.
        await retry(() => store.writeMarks(actorId, marks), options.retry);
        this.#stored = released;
      } catch (failure) {
        letter.reject(error);
        return { error: failure, directive: "stop" };
      }
    }
    letter.reject(error);
    return this.#context.supervise(error, letter.message);
  }

  #prepare(outcome: HandlerAnswer<Outcome<State, Reply, Effect>>): readonly PreparedEffect[] {
    const effects = outcome?.effects ?? [];
    if (effects.length === 0) return [];
    const { actorId, store } = this.#context;
    return store.prepareEntries(actorId, [], { effects }).effects;
  }

  async #storeEffects(
    task: InFlightTask<Message, Reply>,
    effects: readonly PreparedEffect[],
  ): Promise<void> {
    const { actorId, store, options, released, journal } = this.#context;
    const marks = { handled: released, effects: new Map([[task.last, effects]]) };
    task.effects = await retry(() => store.writeMarks(actorId, marks, journal), options.retry);
    this.#stored = released;
  }

  async #replay(
    to: number | undefined,
    watch: RecoveryWatch,
    marks: HandledMarks,
    refused: ReadonlySet<number>,
    effects: EffectsByMessage,
  ): Promise<Omit<RecoveredState<State>, "refusals">> {
    const { actorId, store, policy } = this.#context;
    const { initialState, handle } = this.#commands;
    let replayedBytes = 0;
    const replay = () =>
      recoverJournal<State, Message>({
        actorId,
        journal: store.journal,
        snapshots: store.snapshots,
        initialState: storableInitialState(store, initialState),
        apply: (state, message, { sequenceNumber }) => {
          if (policy.countsBytes) replayedBytes += estimateBytes(message);
          if (refused.has(sequenceNumber)) return state;
          const isNew = sequenceNumber > marks.handled;
          const take = (outcome: HandlerAnswer<Outcome<State, Reply, Effect>>) => {
            // Whether there is an outbox now does not matter to what was accepted before.
            checkHandlerResult(outcome, "commands", true);
            // Effects of messages that were handled before have been stored then.
            if (outcome?.effects && isNew) effects.set(sequenceNumber, this.#prepare(outcome));
            return stateAfter(outcome, state);
          };
          const outcome = handle(state, message);
          return isPromise(outcome) ? Promise.resolve(outcome).then(take) : take(outcome);
        },
        ...(to !== undefined && { to }),
        ...watch,
      });
    // It must not wait for its own actor in a replay, either.
    const recovered = await this.#context.callHandler(undefined, replay);
    return { ...recovered, replayedBytes };
  }

  /** Stores what this recovery has found out, and a later one must know. */
  async #remember(
    { recovery: { sequenceNumber, snapshot }, journal }: JournalRecovery<State>,
    newlyRefused: readonly { readonly sequenceNumber: number }[],
    effects: EffectsByMessage,
  ): Promise<void> {
    const { actorId, store, options } = this.#context;
    this.#stored = Math.max(this.#stored, snapshot?.sequenceNumber ?? -1);
    if (newlyRefused.length === 0 && effects.size === 0) return;
    const refused = newlyRefused.map(({ sequenceNumber }) => sequenceNumber);
    const marks = { handled: sequenceNumber, refused, effects };
    const stored = await retry(() => store.writeMarks(actorId, marks, journal), options.retry);
    this.#stored = sequenceNumber;
    this.#context.deliver(stored);
  }
}

/**
 * The state after a message.
 *
 * @param outcome What the handler returned.
 * @param state The state that it was given.
 * @returns What it has set; otherwise the state that it was given, which it may have changed.
 */
export function stateAfter<State>(
  outcome: HandlerAnswer<Outcome<State, unknown, unknown>>,
  state: State,
): State {
  return outcome && "state" in outcome ? outcome.state as State : state;
}

/** The message that could not be applied, if that is why a recovery has failed. */
function refusalOf(
  error: unknown,
): { readonly sequenceNumber: number; readonly error: unknown } | undefined {
  if (!(error instanceof PersistenceError) || error.code !== "RECOVERY_FAILED") return undefined;
  const { sequenceNumber, cause } = error;
  if (sequenceNumber === undefined || cause === undefined) return undefined;
  return { sequenceNumber, error: cause };
}
