/**
 * The way of messages with event sourcing: decided and applied when they are begun, answered when
 * the events are durable.
 *
 * @module
 */

import { wrapActorEntry } from "./actor_entry.ts";
import { ActorPipeline, type Control, type Flight, type PipelineParts } from "./actor_pipeline.ts";
import type { Decision, EventSourcing } from "./behavior.ts";
import { checkConsequences } from "./command_pipeline.ts";
import { ArgumentTypeError } from "./errors.ts";
import { Letter } from "./mailbox.ts";
import { isPromise } from "./recovery.ts";
import type { Capture } from "./snapshot_saver.ts";

type MaybeDecision<State, Event, Reply, Effect> =
  | Decision<State, Event, Reply, Effect>
  | undefined
  | void;

/** The way of messages with event sourcing. */
export class EventPipeline<State, Command, Event, Reply, Effect>
  extends ActorPipeline<State, Command, Event, Reply, Effect> {
  readonly #events: EventSourcing<State, Command, Event, Reply, Effect>;

  /**
   * @param parts What it works with.
   * @param events The handler of commands, and the fold of events.
   */
  constructor(
    parts: PipelineParts<State, Command, Event, Reply, Effect>,
    events: EventSourcing<State, Command, Event, Reply, Effect>,
  ) {
    super(parts);
    this.#events = events;
  }

  protected override beginLetter(letter: Letter<Command, Reply>): Promise<void> | undefined {
    let decision;
    try {
      decision = this.#events.handle(this.parts.state.state, letter.message);
    } catch (error) {
      return void this.#refuse(letter, error, false);
    }
    if (!isPromise(decision)) return void this.#decide(letter, decision);
    return decision.then(
      (decision) => this.#decide(letter, decision),
      (error) => this.#refuse(letter, error, false),
    );
  }

  protected override beginControl(control: Control): void {
    if (control.type === "snapshot") return this.#beginSnapshot(control);
    this.parts.state.confirm(control.places);
    this.#store(this.flight(control, [wrapActorEntry({ confirmed: control.places })]));
  }

  protected override release(flight: Flight<Command, Reply>): Promise<void> | undefined {
    const { task, refusal, capture } = flight;
    const { host } = this.parts;
    if (task instanceof Letter) {
      host.deliver(flight.effects);
      if (refusal) task.reject(refusal.error);
      else this.answer(task, flight.reply, flight.afterPersist);
    } else if (task.type === "confirm") {
      host.confirmed(task.places);
    } else if (capture) {
      task.save(capture);
      return undefined;
    }
    if (capture) host.save(capture);
    // It is held since the handler has thrown, so everything that was begun has been released.
    if (!refusal || refusal.directive === "resume") return undefined;
    return this.obey(refusal).then(() => {});
  }

  /** Events are facts: nothing else need be known of them. */
  protected override note(): Promise<void> {
    return Promise.resolve();
  }

  protected override noteEnd(): Promise<void> {
    return Promise.resolve();
  }

  #decide(
    letter: Letter<Command, Reply>,
    decision: MaybeDecision<State, Event, Reply, Effect>,
  ): void {
    try {
      checkDecision(decision, this.parts.hasOutbox);
    } catch (error) {
      return this.#refuse(letter, error, false);
    }
    const { events = [], effects = [] } = decision ?? {};
    const flight = this.flight(letter, toStore(events, effects));
    const { state } = this.parts;
    try {
      for (const event of events) state.apply(event);
    } catch (error) {
      return this.#refuse(letter, error, events.length > 0);
    }
    flight.effects = state.addEffects(flight.last, effects);
    flight.afterPersist = decision?.afterPersist;
    try {
      flight.reply = decision?.reply?.(state.state);
    } catch (error) {
      // What was decided stands; only the answer is missing.
      flight.refusal = { error, directive: "resume" };
    }
    this.#store(flight);
  }

  /** Hands entries to the journal, and takes the state along where it is to be saved behind them. */
  #store(flight: Flight<Command, Reply>): void {
    const { stored, last } = flight;
    if (stored.length > 0 && this.parts.host.observe(stored, last)) {
      flight.capture = this.#capture(last);
    }
    this.submit(flight);
  }

  /**
   * The handler has thrown, so nothing is stored. What it threw may come from a state that is not
   * durable yet, so it is told when everything before is.
   *
   * @param isSpoilt Whether events have been applied: then the state must be recovered in any case.
   */
  #refuse(letter: Letter<Command, Reply>, error: unknown, isSpoilt: boolean): void {
    const refusal = this.supervise(error, letter.message);
    const flight = this.flight(letter);
    flight.refusal = isSpoilt && refusal.directive === "resume"
      ? { ...refusal, directive: "restart" }
      : refusal;
    if (flight.refusal.directive !== "resume") this.hold();
    this.submit(flight);
  }

  #beginSnapshot(control: Control & { type: "snapshot" }): void {
    const flight = this.flight(control);
    if (flight.last < 0) return control.end();
    try {
      flight.capture = cloneCapture(this.parts.state.toStore(), flight.last);
    } catch (error) {
      return control.end(error);
    }
    this.submit(flight);
  }

  /** What cannot be cloned cannot be stored either: then the save is what reports it. */
  #capture(sequenceNumber: number): Capture {
    const stored = this.parts.state.toStore();
    try {
      return cloneCapture(stored, sequenceNumber);
    } catch {
      return { state: stored, sequenceNumber };
    }
  }
}

/** By the time that it is durable the state may have changed. */
function cloneCapture(state: unknown, sequenceNumber: number): Capture {
  return { state: structuredClone(state), sequenceNumber };
}

/** Effects are stored with the last event, or alone where there is none. */
function toStore(events: readonly unknown[], effects: readonly unknown[]): unknown[] {
  if (effects.length === 0) return events.map((content) => wrapActorEntry({ content }));
  const before = events.slice(0, -1).map((content) => wrapActorEntry({ content }));
  const last = events.length > 0 ? { content: events[events.length - 1] } : {};
  return [...before, wrapActorEntry({ ...last, effects })];
}

function checkDecision<State>(
  decision: MaybeDecision<State, unknown, unknown, unknown>,
  hasOutbox: boolean,
): void {
  checkConsequences(decision, hasOutbox);
  if (decision?.events === undefined || Array.isArray(decision.events)) return;
  throw new ArgumentTypeError("Cannot handle command: its events must be an array");
}
