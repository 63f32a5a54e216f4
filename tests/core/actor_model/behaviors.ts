/**
 * The actors of the histories. They share objects as carelessly as they may: events and effects are
 * parts of the message and of the state, and the state is changed in place.
 *
 * @module
 */

import {
  type Behavior,
  commandSourced,
  type Decision,
  eventSourced,
  type Outcome,
} from "../../../core/actors/behavior.ts";
import type { AfterPersistQuirk, Content, HandleQuirk, ReplyQuirk } from "./history.ts";

/** Something that the state holds, and that is changed in place. */
export interface Thing {
  readonly n: number;
  bumps: number;
}

/** What notes say until their message has been answered. */
export const AS_SENT = "as it was sent";

/** Whether a change adds a thing. The numbers of those that do are even. */
export function isThing(n: number): boolean {
  return n % 2 === 0;
}

/** What is sent. Each change has a number that nothing else has. */
export interface Message {
  readonly n: number;
  readonly type: Content["type"];
  /** What is added. */
  readonly things: readonly Thing[];
  /** Travels with what is journaled, and is changed once the message has been answered. */
  readonly note: { text: string };
  /** What cannot be stored. */
  readonly bad?: () => void;
}

/** What is journaled with event sourcing. */
export interface Event {
  readonly n: number;
  readonly thing?: Thing;
  readonly note: { readonly text: string };
  readonly spoilt?: true;
  readonly bad?: () => void;
}

/** The numbers of all changes, in order, and what they have led to. */
export interface State {
  readonly log: number[];
  readonly things: Thing[];
}

/** What is delivered. */
export interface Effect {
  readonly n: number;
  /** What was added last when it was decided: a part of the state. */
  readonly last: Thing | undefined;
}

/** What the callbacks throw when they are to. */
export class Trouble extends Error {
  readonly where: "handle" | "apply" | "reply" | "afterPersist" | "abort" | "other";

  constructor(where: Trouble["where"]) {
    super(`trouble in ${where}`);
    this.where = where;
  }
}

/** What the callbacks of a message do, beside what its content says. */
export interface Quirks {
  readonly handle: HandleQuirk | undefined;
  readonly reply: ReplyQuirk | undefined;
  readonly afterPersist: AfterPersistQuirk | undefined;
}

/** What the behaviors need of the history that is carried out. */
export interface Surroundings {
  /** The quirks of a message. */
  quirksOf(n: number): Quirks;
  /** What the handler of a message does, if this is its first call. */
  takeHandleQuirk(n: number): Quirks["handle"];
  /** Carries out what a handler does before it answers. */
  handle(quirk: HandleQuirk, n: number): Promise<void>;
  /** Carries out what an answer does before it is there. */
  reply(quirk: "later" | "hang"): Promise<void>;
  /** Carries out what comes after a message is durable. */
  afterPersist(quirk: AfterPersistQuirk, n: number): void | Promise<void>;
  /** Throws now and then. */
  initialState(): void;
}

/** An actor that journals events. */
export function eventsBehavior(
  surroundings: Surroundings,
): Behavior<State, Message, Event, State, Effect> {
  return eventSourced<State, Message, Event, State, Effect>({
    initialState: () => emptyState(surroundings),
    handle(state, message) {
      const quirk = surroundings.takeHandleQuirk(message.n);
      const decide = () => ({ ...decideOn(state, message), ...afterwards(surroundings, message) });
      if (!quirk) return decide();
      return surroundings.handle(quirk, message.n).then(decide);
    },
    apply(state, { n, thing, spoilt }) {
      if (spoilt) throw new Trouble("apply");
      change(state, n, thing);
      return state;
    },
  });
}

/** An actor that journals messages. */
export function commandsBehavior(
  surroundings: Surroundings,
): Behavior<State, Message, Message, State, Effect> {
  return commandSourced<State, Message, State, Effect>({
    initialState: () => emptyState(surroundings),
    isReadOnly: ({ type }) => type === "read",
    handle(state, message) {
      const quirk = surroundings.takeHandleQuirk(message.n);
      const handle = () => ({ ...takeIn(state, message), ...afterwards(surroundings, message) });
      if (!quirk) return handle();
      return surroundings.handle(quirk, message.n).then(handle);
    },
  });
}

function emptyState(surroundings: Surroundings): State {
  surroundings.initialState();
  return { log: [], things: [] };
}

function decideOn(
  { things }: State,
  { n, type, things: added, note, bad }: Message,
): Decision<State, Event, State, Effect> {
  const events = added.map((thing): Event => ({ n: thing.n, thing, note }));
  switch (type) {
    case "add":
      return { events };
    case "bump":
      return { events: [{ n, note }] };
    case "effect":
      return { events, effects: [{ n, last: things.at(-1) }] };
    case "effect only":
      return { effects: [{ n, last: things.at(-1) }] };
    case "refuse":
      throw new Trouble("handle");
    case "spoil":
      return { events: [...events, { n, note, spoilt: true }] };
    case "unencodable":
      return { events: [...events, { n, note, ...(bad && { bad }) }] };
    case "bad decision":
      return badDecision({ event: events });
    case "read":
      return {};
  }
}

function takeIn(state: State, { n, type, things }: Message): Outcome<State, State, Effect> {
  if (type === "read") return {};
  const last = state.things.at(-1);
  if (things.length === 0) change(state, n, undefined);
  for (const thing of things) change(state, thing.n, thing);
  switch (type) {
    case "effect":
    case "effect only":
      return { state, effects: [{ n, last }] };
    case "refuse":
    case "spoil":
      // After the change, so that the state is spoilt.
      throw new Trouble("handle");
    case "bad decision":
      return badDecision({ state, events: things });
    default:
      return { state };
  }
}

/** Types forbid it. */
function badDecision(decision: object): Record<never, never> {
  return decision;
}

function change({ log, things }: State, n: number, thing: Thing | undefined): void {
  log.push(n);
  if (thing) return void things.push(thing);
  const last = things.at(-1);
  if (last) last.bumps++;
}

function afterwards(
  surroundings: Surroundings,
  { n }: Message,
): Pick<Decision<State, Event, State, Effect>, "reply" | "afterPersist"> {
  const { reply, afterPersist } = surroundings.quirksOf(n);
  return {
    reply(state) {
      // The state goes on changing in place.
      const answer = structuredClone(state);
      if (!reply) return answer;
      if (reply === "throw") throw new Trouble("reply");
      if (reply === "reject") return Promise.reject(new Trouble("reply"));
      return surroundings.reply(reply).then(() => answer);
    },
    ...(afterPersist && { afterPersist: () => surroundings.afterPersist(afterPersist, n) }),
  };
}
