/**
 * An actor, as those see it who send it messages.
 *
 * @module
 */

import { checkMetadata, checkOptions, checkSignal } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { CallChain } from "../ports/actor_store.ts";
import type { Metadata } from "../ports/journal.ts";
import { endingWith } from "../telemetry/telemetry_hub.ts";
import { withContext } from "../telemetry/trace_context.ts";
import type { Host } from "./actor_host.ts";
import { certainCircle, findCircle } from "./call_chain.ts";
import type { ActorLoop, RecoveryFigures } from "./loop.ts";
import { Letter } from "./mailbox.ts";
import { checkTimeout } from "./options.ts";
import { rejected } from "../util/promises.ts";
import type { OptionNames } from "../util/option_names.ts";

/** How a message is sent. */
export interface TellOptions {
  /**
   * Takes back a message whose handling has not begun: it rejects with the signal's reason, and
   * certainly has no effect. If it has begun it rejects, too, but the message takes effect.
   *
   * @default {undefined} It is not taken back.
   */
  signal?: AbortSignal;
  /**
   * What is stored beside what the message leads to: correlation ids, a tenant, a trace context. A
   * plain object.
   *
   * @default {undefined} Nothing.
   */
  metadata?: Metadata;
}

/** The names of {@linkcode TellOptions}. */
const TELL_OPTION_NAMES: OptionNames<TellOptions> = { signal: true, metadata: true };

/** How a question is asked. */
export interface AskOptions extends TellOptions {
  /**
   * How long to wait for the answer in milliseconds: an integer from 1 to 2^31 - 1, or Infinity. Then
   * it rejects with `TIMEOUT`, and the same holds as after an abort.
   *
   * @default {undefined} `askTimeoutMs` of the actor.
   */
  timeoutMs?: number;
}

/** The names of {@linkcode AskOptions}. */
const ASK_OPTION_NAMES: OptionNames<AskOptions> = { ...TELL_OPTION_NAMES, timeoutMs: true };

/** How actors are stopped. */
export interface StopOptions {
  /**
   * How long to wait for what is under way, in milliseconds: an integer from 1 to 2^31 - 1, or
   * Infinity. After that, what has not been answered is rejected with `TIMEOUT`, which `onProblem`
   * hears of, too, and the stop resolves.
   *
   * @default {Infinity}
   */
  timeoutMs?: number;
}

/** The names of {@linkcode StopOptions}. */
export const STOP_OPTION_NAMES: OptionNames<StopOptions> = { timeoutMs: true };

/** What an actor is doing. */
export type ActorStatus = "recovering" | "running" | "stopping" | "stopped";

/** An actor in memory. */
export class ActorHandle<State, Message, Reply> {
  readonly actorId: string;
  /** Resolves when it has stopped, and nothing of it is under way any more. */
  readonly terminated: Promise<void>;
  readonly #host: Host<State, Message, Reply>;
  readonly #loop: ActorLoop<State, Message, Reply>;
  /** What a caller is about to do, for the messages of errors. */
  readonly #ask: string;
  readonly #tell: string;

  /**
   * @param host What it shares with others.
   * @param loop Its loop, which has not begun.
   */
  constructor(host: Host<State, Message, Reply>, loop: ActorLoop<State, Message, Reply>) {
    this.#host = host;
    this.#loop = loop;
    this.actorId = loop.context.actorId;
    this.#ask = `ask ${loop.context.name}`;
    this.#tell = `tell ${loop.context.name}`;
    this.terminated = loop.hasLeft.then(() => loop.context.afterwardsSettled());
    loop.start();
  }

  /** How it was recovered. */
  get recovered(): Promise<RecoveryFigures> {
    return this.#loop.recovered;
  }

  /** Resolves when a successor may begin. */
  get hasLeft(): Promise<void> {
    return this.#loop.hasLeft;
  }

  /** What it is doing. */
  get status(): ActorStatus {
    const { phase, isStopRequested } = this.#loop;
    if (phase.name === "stopped") return "stopped";
    if (isStopRequested) return "stopping";
    return phase.name === "running" ? "running" : "recovering";
  }

  /** How many messages have been accepted and not been answered. */
  get pending(): number {
    return this.#loop.pending;
  }

  /** Whether it has nothing to do. */
  get isIdle(): boolean {
    const { phase, isDrained, context } = this.#loop;
    return phase.name === "running" && isDrained && context.afterwards === 0 &&
      context.saver.isIdle;
  }

  /** See {@linkcode StatefulActor.ask}. */
  ask(message: Message, options: AskOptions): Promise<Reply> {
    try {
      const operation = this.#ask;
      checkOptions(options, operation, ASK_OPTION_NAMES);
      const timeoutMs = options.timeoutMs === undefined
        ? this.#host.options.askTimeoutMs
        : checkTimeout(options.timeoutMs, operation);
      const caller = this.#host.callContext?.get();
      const circle = certainCircle(caller, this.#isOwnHandler, operation);
      if (circle) return rejected(circle);
      const letter = this.#post(message, options, operation, caller, true);
      if (timeoutMs !== Infinity && !letter.hasEnded) {
        letter.deadline = this.#host.deadlines.watch(timeoutMs, () => {
          const circle = findCircle(caller, this.#isOwnHandler, operation);
          letter.giveUp(circle?.error ?? this.#late(letter.hasBegun, timeoutMs));
        });
      }
      const answer = letter.span ? endingWith(letter.span, letter.answer) : letter.answer;
      return this.#host.events.asked(answer);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** See {@linkcode StatefulActor.tell}. */
  async tell(message: Message, options: TellOptions): Promise<void> {
    const operation = this.#tell;
    checkOptions(options, operation, TELL_OPTION_NAMES);
    const caller = this.#host.callContext?.get();
    const letter = this.#post(message, options, operation, caller, false);
    this.#watchForItself(letter, operation);
    await (letter.span ? endingWith(letter.span, letter.answer) : letter.answer);
  }

  /** See {@linkcode StatefulActor.snapshot}. */
  snapshot(): Promise<void> {
    const operation = `save snapshot of ${this.#loop.context.name}`;
    try {
      this.#assertOpen(operation);
    } catch (error) {
      return Promise.reject(error);
    }
    const circle = certainCircle(this.#host.callContext?.get(), this.#isOwnHandler, operation);
    if (circle) return rejected(circle);
    return new Promise((resolve, reject) =>
      this.#loop.post({ type: "snapshot", isAutomatic: false, resolve, reject })
    );
  }

  /** Refuses new messages, and stops when it has handled those that it accepted. */
  requestStop(): void {
    this.#loop.requestStop();
  }

  /** Stops at once: what it has not answered is rejected. */
  abandon(error: unknown): void {
    this.#loop.abandon(error);
    this.#loop.context.abandonAfterwards(error);
  }

  /** Whether a callback is a handler of this actor: then nothing that is sent to it is handled. */
  readonly #isOwnHandler = ({ role, actorId, owner }: CallChain): boolean =>
    role === "handler" && actorId === this.actorId && owner === this.#host;

  #post(
    message: Message,
    options: TellOptions,
    operation: string,
    caller: CallChain | undefined,
    isAsked: boolean,
  ): Letter<Message, Reply> {
    const { signal, metadata } = options;
    checkSignal(signal, operation);
    checkMetadata(metadata, operation);
    signal?.throwIfAborted();
    this.#assertOpen(operation);
    const { pending } = this.#loop;
    if (pending >= this.#host.options.capacity) {
      throw new PersistenceError(
        "BACKPRESSURE",
        `Cannot ${operation}: ${pending} messages wait already`,
        { kind: this.#host.kind, actorId: this.actorId },
      );
    }
    const span = this.#host.events.startSpan(isAsked ? "ask" : "tell", this.actorId);
    const beside = withContext(metadata, span?.context);
    const letter = new Letter<Message, Reply>(message, beside, caller, isAsked);
    letter.span = span;
    if (signal) letter.watch(signal);
    this.#loop.post(letter);
    return letter;
  }

  /**
   * A handler may tell its own actor something, but not await that. Whether it does cannot be seen,
   * only that the handler goes on and on, while the message waits for it.
   */
  #watchForItself(letter: Letter<Message, Reply>, operation: string): void {
    const { deadlines, options: { askTimeoutMs } } = this.#host;
    const { caller } = letter;
    if (!caller || askTimeoutMs === Infinity || letter.hasEnded) return;
    const circle = findCircle(caller, this.#isOwnHandler, operation);
    if (!circle) return;
    letter.deadline = deadlines.watch(askTimeoutMs, () => {
      // If the handler has ended by now, it did not await this.
      if (findCircle(caller, this.#isOwnHandler, operation)) letter.stopWaiting(circle.error);
    });
  }

  #assertOpen(operation: string): void {
    const { phase, isStopRequested, failure, context } = this.#loop;
    if (phase.name === "stopped" || isStopRequested) throw context.endedError(operation, failure);
  }

  #late(hasBegun: boolean, timeoutMs: number): PersistenceError {
    const known = hasBegun ? "the message may still take effect" : "the message was not handled";
    return new PersistenceError(
      "TIMEOUT",
      `Cannot answer for ${this.#loop.context.name}: it took longer than ${timeoutMs} ms, ${known}`,
      { kind: this.#host.kind, actorId: this.actorId },
    );
  }
}
