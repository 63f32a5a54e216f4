/**
 * Histories of actors: what is done to them, what their callbacks do, and how their storage fails.
 *
 * @module
 */

import fc from "fast-check";
import type { SupervisionDirective } from "../../../core/actors/options.ts";
import type { RetentionOptions } from "../../../core/retention/retention_policy.ts";
import type { ChaosRates } from "../chaos_storage.ts";

/** Which actor: the kind, and the id within the kind. Both kinds have the same ids. */
export interface ActorIndex {
  readonly kind: 0 | 1;
  readonly id: 0 | 1;
}

/**
 * What the handler of a message does when it is called for the first time:
 *
 * - `"later"`: it answers after some microtasks; `"timer"`: after a timer.
 * - `"hang"`: its promise never settles.
 * - `"ask other"`: it asks an actor of the other kind first.
 * - `"ask itself"`: it asks its own actor, which is refused.
 * - `"passivate itself"`: it awaits that its own actor leaves, which is refused.
 * - `"tell itself"`: it tells its own actor something, without awaiting it.
 */
export type HandleQuirk =
  | "later"
  | "timer"
  | "hang"
  | "ask other"
  | "ask itself"
  | "passivate itself"
  | "tell itself";

/** What the answer does. */
export type ReplyQuirk = "throw" | "reject" | "later" | "hang";

/** What comes after the message is durable: what the callback does. */
export type AfterPersistQuirk =
  | "return"
  | "throw"
  | "reject"
  | "hang"
  | "tell itself"
  | "ask itself";

/** What is sent. */
export type Content =
  /** So many things are added, one by one, or all or none. */
  | { readonly type: "add"; readonly count: number }
  /** The thing that was added last is changed in place. */
  | { readonly type: "bump" }
  /** A thing is added, and an effect shares it. */
  | { readonly type: "effect" }
  /** Nothing but an effect. */
  | { readonly type: "effect only" }
  /** The handler throws, always; after it has changed the state, if it may. */
  | { readonly type: "refuse" }
  /** `apply` throws, in the middle of the message. */
  | { readonly type: "spoil" }
  /** What is to be journaled cannot be stored. */
  | { readonly type: "unencodable" }
  /** The handler returns something that it may not. */
  | { readonly type: "bad decision" }
  | { readonly type: "read" };

/** How an actor is removed: its id begins anew, or only its numbering goes on. */
export type Removal = "delete" | "erase";

/** What is done. */
export type Step =
  | {
    readonly type: "send";
    readonly actor: ActorIndex;
    readonly content: Content;
    readonly how: "tell" | "ask" | "ask and abort";
    readonly handle: HandleQuirk | undefined;
    readonly reply: ReplyQuirk | undefined;
    readonly afterPersist: AfterPersistQuirk | undefined;
  }
  | { readonly type: "turns"; readonly count: number }
  | { readonly type: "settle" }
  | { readonly type: "time"; readonly ms: number }
  | { readonly type: "snapshot"; readonly actor: ActorIndex }
  | { readonly type: "passivate"; readonly actor: ActorIndex }
  | { readonly type: "sweep" }
  /** An actor leaves, and is deleted or erased, while the others live; after that it begins anew. */
  | {
    readonly type: "remove";
    readonly actor: ActorIndex;
    readonly mode: Removal;
    /** The process crashes so many microtasks after it has begun. */
    readonly crashAfter: number | undefined;
  }
  /** Another process writes the same actor. */
  | { readonly type: "rival"; readonly id: 0 | 1 }
  | { readonly type: "stop" }
  | { readonly type: "crash" };

/** What a supervisor decides: one of the directives, at random, or nothing valid. */
export type Supervision = SupervisionDirective | "random" | "throw" | "promise";

/** A whole history. */
export interface History {
  /** What the second kind journals. The first one journals events. */
  readonly second: "events" | "commands";
  readonly steps: readonly Step[];
  readonly seed: number;
  readonly rates: ChaosRates;
  readonly retention: RetentionOptions;
  readonly snapshotEvery: number;
  readonly supervision: Supervision;
  readonly maxActive: number;
  readonly askTimeoutMs: number;
  /** Of a hundred calls of `when`, `deliver`, `initialState`, how many go wrong. */
  readonly troubles: number;
  readonly debug: boolean;
}

const actor: fc.Arbitrary<ActorIndex> = fc.record({
  kind: fc.constantFrom<0 | 1>(0, 1),
  id: fc.constantFrom<0 | 1>(0, 0, 1),
});

const content: fc.Arbitrary<Content> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant("add" as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  ...(
    [
      ["bump", 5],
      ["effect", 4],
      ["effect only", 2],
      ["refuse", 2],
      ["spoil", 1],
      ["unencodable", 1],
      ["bad decision", 1],
      ["read", 2],
    ] as const
  ).map(([type, weight]) => ({ weight, arbitrary: fc.constant({ type }) })),
);

/** Most of the time nothing, otherwise one of these. */
function rarely<Quirk>(...quirks: readonly Quirk[]): fc.Arbitrary<Quirk | undefined> {
  return fc.oneof(
    { weight: 5 * quirks.length, arbitrary: fc.constant(undefined) },
    { weight: quirks.length, arbitrary: fc.constantFrom(...quirks) },
  );
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 25,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      actor,
      content,
      how: fc.constantFrom(
        "tell" as const,
        "ask" as const,
        "ask" as const,
        "ask and abort" as const,
      ),
      handle: rarely<HandleQuirk>(
        "later",
        "timer",
        "hang",
        "ask other",
        "ask itself",
        "passivate itself",
        "tell itself",
      ),
      reply: rarely<ReplyQuirk>("throw", "reject", "later", "hang"),
      afterPersist: rarely<AfterPersistQuirk>(
        "return",
        "throw",
        "reject",
        "hang",
        "tell itself",
        "ask itself",
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("turns" as const),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "settle" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("time" as const), ms: fc.nat(300) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("snapshot" as const), actor }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("passivate" as const), actor }) },
  { weight: 1, arbitrary: fc.constant({ type: "sweep" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("remove" as const),
      actor,
      mode: fc.constantFrom("delete" as const, "erase" as const),
      crashAfter: fc.option(fc.nat(80), { freq: 2, nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("rival" as const),
      id: fc.constantFrom<0 | 1>(0, 1),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "stop" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "crash" as const }) },
);

/** Histories, which shrink to fewer steps. */
export const histories: fc.Arbitrary<History> = fc.record({
  second: fc.constantFrom("events" as const, "commands" as const, "commands" as const),
  steps: fc.array(step, { maxLength: 60, size: "max" }),
  seed: fc.nat(),
  rates: fc.record({
    failedCommits: fc.constantFrom(0, 0, 5, 30),
    failedReads: fc.constantFrom(0, 0, 3),
  }),
  retention: fc.record({
    mode: fc.constantFrom("off" as const, "onSnapshot" as const),
    retainMessagesBeforeSnapshot: fc.integer({ min: 0, max: 6 }),
  }),
  snapshotEvery: fc.integer({ min: 1, max: 12 }),
  supervision: fc.constantFrom<Supervision>(
    "resume",
    "restart",
    "restart",
    "random",
    "random",
    "stop",
    "throw",
    "promise",
  ),
  maxActive: fc.integer({ min: 1, max: 3 }),
  askTimeoutMs: fc.constantFrom(Infinity, Infinity, 200),
  troubles: fc.constantFrom(0, 0, 10, 30),
  debug: fc.constantFrom(false, false, false, true),
});
