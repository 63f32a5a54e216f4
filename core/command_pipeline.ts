/**
 * The way of messages with command sourcing: journaled when they are begun, handled and answered
 * when they are durable.
 *
 * @module
 */

import { wrapActorEntry } from "./actor_entry.ts";
import { ActorPipeline, type Control, type Flight, type PipelineParts } from "./actor_pipeline.ts";
import { type ActorRecovery, stateBehind } from "./actor_state.ts";
import type { CommandSourcing, Outcome } from "./behavior.ts";
import { ArgumentTypeError } from "./errors.ts";
import { Letter } from "./mailbox.ts";
import { isPromise } from "./recovery.ts";

type MaybeOutcome<State, Reply, Effect> = Outcome<State, Reply, Effect> | undefined | void;

/** The way of messages with command sourcing. */
export class CommandPipeline<State, Message, Stored, Reply, Effect>
  extends ActorPipeline<State, Message, Stored, Reply, Effect> {
  readonly #commands: CommandSourcing<State, Message, Reply, Effect>;

  /**
   * @param parts What it works with.
   * @param commands The handler of messages.
   */
  constructor(
    parts: PipelineParts<State, Message, Stored, Reply, Effect>,
    commands: CommandSourcing<State, Message, Reply, Effect>,
  ) {
    super(parts);
    this.#commands = commands;
  }

  protected override beginLetter(letter: Letter<Message, Reply>): undefined {
    let isReadOnly = false;
    try {
      isReadOnly = this.#commands.isReadOnly?.(letter.message) ?? false;
    } catch (error) {
      const flight = this.flight(letter);
      flight.refusal = this.supervise(error, letter.message);
      return void this.submit(flight);
    }
    if (isReadOnly) return void this.submit(this.flight(letter));
    this.submit(this.flight(letter, [wrapActorEntry({ content: letter.message })]));
  }

  protected override beginControl(control: Control): void {
    if (control.type === "snapshot") return this.submit(this.flight(control));
    this.submit(this.flight(control, [wrapActorEntry({ confirmed: control.places })]));
  }

  protected override release(flight: Flight<Message, Reply>): Promise<void> | undefined {
    const { task, refusal } = flight;
    const { host, state } = this.parts;
    state.handled(this.released);
    if (task instanceof Letter) {
      if (refusal) return this.#refuse(flight, task, refusal.error);
      return this.#handle(flight, task);
    }
    if (task.type === "confirm") {
      state.confirm(task.places);
      host.confirmed(task.places);
      this.#observe([task.places]);
    } else if (this.released < 0) task.end();
    else task.save(this.#capture());
    return undefined;
  }

  /**
   * Messages that were journaled when the process ended, and have not been handled before now, and
   * were refused: a later recovery must not take them for messages that were accepted.
   */
  protected override async note(recovery: ActorRecovery): Promise<void> {
    if (recovery.refused.length === 0) return;
    const refused = recovery.refused.map(({ sequenceNumber }) => sequenceNumber);
    const marker = wrapActorEntry({ refused, handled: recovery.sequenceNumber });
    if (await this.append(marker)) this.released++;
    this.parts.state.noted(this.released);
  }

  /**
   * With another version of the handler, a later recovery can tell then what was accepted from what
   * was never handled.
   */
  protected override async noteEnd(): Promise<void> {
    if (!this.parts.state.isUnnoted) return;
    await this.append(wrapActorEntry({ handled: this.released }));
  }

  #handle(
    flight: Flight<Message, Reply>,
    letter: Letter<Message, Reply>,
  ): Promise<void> | undefined {
    let outcome;
    try {
      outcome = this.#commands.handle(this.parts.state.state, letter.message);
    } catch (error) {
      return this.#refuse(flight, letter, error);
    }
    if (!isPromise(outcome)) return this.#finish(flight, letter, outcome);
    return outcome.then(
      (outcome) => this.#finish(flight, letter, outcome),
      (error) => this.#refuse(flight, letter, error),
    );
  }

  #finish(
    flight: Flight<Message, Reply>,
    letter: Letter<Message, Reply>,
    outcome: MaybeOutcome<State, Reply, Effect>,
  ): Promise<void> | undefined {
    const { host, state, hasOutbox } = this.parts;
    try {
      checkConsequences(outcome, hasOutbox);
    } catch (error) {
      return this.#refuse(flight, letter, error);
    }
    if (flight.stored.length > 0) {
      state.state = stateBehind(outcome, state.state);
      host.deliver(state.addEffects(flight.last, outcome?.effects ?? []));
      this.#observe([letter.message]);
    }
    let reply: Reply | undefined;
    try {
      reply = outcome?.reply?.(state.state);
    } catch (error) {
      // The message has taken effect; only the answer is missing.
      letter.reject(error);
      return undefined;
    }
    this.answer(letter, reply, outcome?.afterPersist);
    return undefined;
  }

  /**
   * The handler has thrown. The message is in the journal already, so that it was refused is
   * journaled, too: a replay then leaves it out for that reason, and for no other. Until that is
   * durable nothing else happens.
   */
  async #refuse(
    flight: Flight<Message, Reply>,
    letter: Letter<Message, Reply>,
    error: unknown,
  ): Promise<void> {
    this.hold();
    if (flight.stored.length > 0) {
      try {
        await this.#journalRefusal(flight.last);
      } catch (failure) {
        letter.reject(error);
        return this.end(failure);
      }
    }
    const refusal = this.supervise(error, letter.message);
    letter.reject(error);
    const goesOn = await this.obey(refusal, this.released);
    // Not before: what the handler has left behind is not to be saved.
    if (goesOn && flight.stored.length > 0) this.#observe([letter.message]);
  }

  async #journalRefusal(sequenceNumber: number): Promise<void> {
    await this.append(wrapActorEntry({ refused: [sequenceNumber] }));
    this.parts.state.refuse(sequenceNumber);
  }

  #observe(stored: readonly unknown[]): void {
    if (this.parts.host.observe(stored, this.released)) this.parts.host.save(this.#capture());
  }

  #capture(): { state: unknown; sequenceNumber: number } {
    return { state: this.parts.state.toStore(), sequenceNumber: this.released };
  }
}

/**
 * Checks what a handler returned.
 *
 * @param consequences What it returned.
 * @param hasOutbox Whether there is somebody who delivers effects.
 * @throws {ArgumentTypeError} `INVALID_ARGUMENT` where it is nothing that a handler may return.
 */
export function checkConsequences<State>(
  consequences: MaybeOutcome<State, unknown, unknown>,
  hasOutbox: boolean,
): void {
  if (consequences === undefined) return;
  if (typeof consequences !== "object" || consequences === null) {
    throw new ArgumentTypeError(
      "Cannot handle message: the handler must return an object or nothing",
    );
  }
  const { reply, effects, afterPersist } = consequences;
  for (const [name, value] of Object.entries({ reply, afterPersist })) {
    if (value === undefined || typeof value === "function") continue;
    throw new ArgumentTypeError(`Cannot handle message: ${name} must be a function`);
  }
  if (effects === undefined) return;
  if (!Array.isArray(effects)) {
    throw new ArgumentTypeError("Cannot handle message: effects must be an array");
  }
  if (effects.length > 0 && !hasOutbox) {
    throw new ArgumentTypeError(
      "Cannot handle message: it has effects, but the actor has no outbox",
    );
  }
}
