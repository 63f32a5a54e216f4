/**
 * What all parts of an actor share: who it is, its state, and the ways to the user's callbacks.
 *
 * @module
 */

import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorStore, ActorStoreProvider, CallChain } from "../ports/actor_store.ts";
import type { OpenEffect } from "../ports/outbox_store.ts";
import { Deferred, isPromise, type MaybePromise } from "../util/promises.ts";
import type { ActorEvents } from "./actor_events.ts";
import type { Behavior } from "./behavior.ts";
import { callAs, callIn } from "./call_chain.ts";
import { frozenCopy } from "./debug.ts";
import type { Capture, Refusal } from "./in_flight.ts";
import type { Letter } from "./mailbox.ts";
import type { CheckedActorOptions } from "./options.ts";
import { OwnJournal } from "./own_journal.ts";
import type { ActorProblem } from "./report.ts";
import type { SnapshotPolicy } from "./snapshot_policy.ts";
import { SnapshotSaver } from "./snapshot_saver.ts";
import { messageOf } from "../util/text.ts";

/** Who delivers effects. */
export interface EffectSink {
  /** Effects are durable, and can be delivered. */
  add(effects: readonly OpenEffect[]): void;
}

/** What an actor is made of. */
export interface ActorParts<State, Message, Stored, Reply, Effect> {
  readonly actorId: string;
  readonly store: ActorStore<Stored, State>;
  readonly behavior: Behavior<State, Message, Stored, Reply, Effect>;
  readonly options: CheckedActorOptions<Message>;
  readonly provider: Pick<ActorStoreProvider, "clock" | "callContext">;
  readonly events: ActorEvents;
  /** The object that the actor belongs to. */
  readonly owner: unknown;
  readonly outbox: EffectSink | undefined;
}

/** An actor, as its parts see it. */
export class ActorContext<State, Message, Stored, Reply, Effect> {
  readonly actorId: string;
  /** The actor, in the words of error messages. */
  readonly name: string;
  readonly store: ActorStore<Stored, State>;
  readonly behavior: Behavior<State, Message, Stored, Reply, Effect>;
  readonly options: CheckedActorOptions<Message>;
  readonly events: ActorEvents;
  readonly policy: SnapshotPolicy<State>;
  readonly saver: SnapshotSaver<State>;
  /** The user's state. */
  state!: State;
  /** The sequence number after all that has been begun. */
  next = 0;
  /** The sequence number of the last entry that has been released. */
  released = -1;
  /** Its journal: another one if the actor is deleted or erased. */
  journal: OwnJournal = new OwnJournal({ incarnation: 0, origin: 0 });

  readonly #parts: ActorParts<State, Message, Stored, Reply, Effect>;
  /** The context of the message that is being begun, which its callbacks share. */
  #shared: CallChain | undefined;
  /** Callbacks under way after their message has been released. */
  readonly #afterwards = new Map<Promise<void>, Letter<Message, Reply>>();
  /** Resolves when nobody waits for them any more. */
  readonly #abandoned = new Deferred<void>();

  /**
   * @param parts What the actor is made of.
   * @param policy When its state is saved.
   */
  constructor(
    parts: ActorParts<State, Message, Stored, Reply, Effect>,
    policy: SnapshotPolicy<State>,
  ) {
    const { actorId, store, behavior, options, events } = parts;
    this.#parts = parts;
    this.actorId = actorId;
    this.name = `actor "${actorId}" of kind "${store.kind}"`;
    this.store = store;
    this.behavior = behavior;
    this.options = options;
    this.events = events;
    this.policy = policy;
    this.saver = new SnapshotSaver(
      {
        actorId,
        // What is read from it by retention is numbers only.
        store: store as ActorStore<unknown, unknown>,
        retention: options.retention,
        retry: options.retry,
        clock: parts.provider.clock,
        report: (type, error) => this.report({ type, error }),
      },
      policy,
    );
  }

  /** How many callbacks are under way after their message has been released. */
  get afterwards(): number {
    return this.#afterwards.size;
  }

  /** Resolves when none is any more. */
  async afterwardsSettled(): Promise<void> {
    while (this.#afterwards.size > 0) {
      await Promise.race([Promise.all(this.#afterwards.keys()), this.#abandoned.promise]);
    }
  }

  /** Waits for none of them any longer: their callers get an error. */
  abandonAfterwards(reason: unknown): void {
    const error = this.endedError(`handle message of ${this.name}`, reason);
    for (const letter of this.#afterwards.values()) letter.reject(error);
    this.#afterwards.clear();
    this.#abandoned.resolve();
  }

  /** Reports a problem. */
  report(problem: Omit<ActorProblem, "kind" | "actorId">): void {
    this.options.report({ kind: this.store.kind, actorId: this.actorId, ...problem });
  }

  /** Calls a handler, so that what it awaits knows for whom; without a letter in a replay. */
  callHandler<Result>(letter: Letter<Message, Reply> | undefined, call: () => Result): Result {
    return this.#call("handler", letter, call);
  }

  /**
   * Begins a message, in one context for those of its callbacks that answer at once: to enter one costs
   * as much as a small message.
   */
  begin(letter: Letter<Message, Reply>, begin: () => void): void {
    const { callContext } = this.#parts.provider;
    if (!callContext) return begin();
    this.#shared = this.#link("handler", letter);
    const { span } = letter;
    try {
      callContext.run(this.#shared, span ? () => span.run(begin) : begin);
    } finally {
      this.#shared = undefined;
    }
  }

  /** Calls what belongs to no callback of a user: it must not be taken for a part of the caller's. */
  outsideCalls(call: () => void): void {
    const { callContext } = this.#parts.provider;
    if (callContext?.get()) callContext.run(undefined, call);
    else call();
  }

  /** What is to be done about what a handler has thrown. */
  supervise(error: unknown, message: Message): Refusal {
    const { actorId, options } = this;
    try {
      return { error, directive: options.supervise(error, { actorId, message }) };
    } catch (cause) {
      // A supervisor that fails itself decides nothing; to stop is the safe side.
      return { error: cause, directive: "stop" };
    }
  }

  /** Makes an answer of what the handler gave for it. */
  makeReply(
    letter: Letter<Message, Reply>,
    reply: ((state: State) => MaybePromise<Reply>) | undefined,
  ): MaybePromise<Reply> {
    // A handler that gives no answer has declared `void` as its type.
    if (!reply) return undefined as Reply;
    const answer = this.#call("reply", letter, () => reply(this.state));
    if (!isPromise(answer)) return this.options.debug ? frozenCopy(answer) : answer;
    const promise = this.options.debug
      ? Promise.resolve(answer).then(frozenCopy)
      : Promise.resolve(answer);
    // Nobody may ever wait for it, if the message is lost or given up.
    promise.catch(() => {});
    return promise;
  }

  /** Answers a message that has been released. */
  answer(
    letter: Letter<Message, Reply>,
    reply: MaybePromise<Reply>,
    afterPersist: (() => MaybePromise<void>) | undefined,
  ): void {
    if (!afterPersist) return this.#reply(letter, reply);
    const call = async () => {
      try {
        await this.#call("afterPersist", letter, afterPersist);
        this.#reply(letter, reply);
      } catch (error) {
        letter.reject(error);
      }
    };
    const done: Promise<void> = call().then(() => void this.#afterwards.delete(done));
    this.#afterwards.set(done, letter);
  }

  /** Who has told the actor something hears that it was handled, and waits for no answer. */
  #reply(letter: Letter<Message, Reply>, reply: MaybePromise<Reply>): void {
    if (letter.isAsked || !isPromise(reply)) return letter.resolve(reply);
    reply.catch((error) => this.report({ type: "message", error }));
    letter.resolve(undefined as Reply);
  }

  /** Hands durable effects to who delivers them. */
  deliver(effects: readonly OpenEffect[]): void {
    if (effects.length > 0) this.#parts.outbox?.add(effects);
  }

  /**
   * Entries have been decided on. If the state is to be saved then, it is encoded at once: by the
   * time that it is durable it may have changed.
   */
  observe(count: number, bytes: number, sequenceNumber: number): Capture | undefined {
    if (count === 0 || !this.policy.observe(count, bytes, this.state, sequenceNumber)) {
      return undefined;
    }
    this.policy.taken();
    try {
      return this.capture(sequenceNumber);
    } catch (error) {
      this.saver.failed(error, sequenceNumber);
      return undefined;
    }
  }

  /** Encodes the state as it is. */
  capture(sequenceNumber: number): Capture {
    return { state: this.store.prepareState(this.actorId, this.state), sequenceNumber };
  }

  /** Saves a state that is durable. What goes wrong has been reported. */
  save({ state, sequenceNumber }: Capture): void {
    this.saver.save(state, sequenceNumber).catch(() => {});
  }

  /**
   * The error of a message that is not answered because the actor has stopped.
   *
   * @param operation What cannot be done.
   * @param reason Why it has stopped, if it did so by itself.
   * @param isAppended Whether the message may be durable: then no code may say that it had no effect.
   */
  endedError(operation: string, reason: unknown, isAppended = false): PersistenceError {
    const failure = reason instanceof PersistenceError ? reason : undefined;
    const reasonCode = failure?.code ?? "CLOSED";
    const code = isAppended && reasonCode !== "REOPEN_REQUIRED" ? "OUTCOME_UNKNOWN" : reasonCode;
    const outcome = isAppended ? ", the message may still take effect" : "";
    const how = reason === undefined ? "been stopped" : "stopped";
    const why = reason === undefined ? "" : `: ${messageOf(reason)}`;
    const { sequenceNumber } = failure ?? {};
    return new PersistenceError(code, `Cannot ${operation}: the actor has ${how}${outcome}${why}`, {
      kind: this.store.kind,
      actorId: this.actorId,
      cause: reason,
      ...(sequenceNumber !== undefined && { sequenceNumber }),
    });
  }

  /** Calls a callback, so that what it calls knows for whom. */
  #call<Result>(
    role: "handler" | "reply" | "afterPersist",
    letter: Letter<Message, Reply> | undefined,
    call: () => Result,
  ): Result {
    const shared = this.#shared;
    if (!shared) {
      const span = letter?.span;
      const run = span ? () => span.run(call) : call;
      return callAs(this.#parts.provider.callContext, this.#link(role, letter), run);
    }
    shared.role = role;
    const result = callIn(shared, call);
    // One that takes its time keeps the context for itself.
    if (!shared.isOver) this.#shared = undefined;
    return result;
  }

  #link(role: CallChain["role"], letter: Letter<Message, Reply> | undefined): CallChain {
    return {
      role,
      name: this.name,
      kind: this.store.kind,
      actorId: this.actorId,
      owner: this.#parts.owner,
      caller: letter?.caller,
      isAsked: letter?.isAsked ?? false,
      isOver: true,
    };
  }
}
