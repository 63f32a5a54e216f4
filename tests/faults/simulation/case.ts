/**
 * What a simulation does, as data: so a run that fails can be made smaller and printed.
 *
 * @module
 */

import { type Random, randomFrom } from "../../conformance/random.ts";

/**
 * A way in which a storage breaks its promise, or in which the core could be mistaken. A simulation
 * with such a one must fail.
 */
export type Breakage =
  /** A commit is acknowledged and not carried out. */
  | "loses commits"
  /** Only a part of a group is carried out. */
  | "applies half a group"
  /** Groups are carried out whether their conditions hold or not. */
  | "ignores conditions"
  /** A commit is acknowledged before it is carried out, and a crash comes in between. */
  | "acknowledges early"
  /** A commit that was reported as failed is carried out all the same. */
  | "fails with effect"
  /** A commit is never answered. */
  | "forgets to answer"
  /** A read answers with an older state. */
  | "reads the past"
  /** Writes although another process has written at the same position of the log. */
  | "forgets the condition on the log"
  /** Collects although another process collects. */
  | "forgets the condition on the collector"
  /** The head of an actor is not written, and the frames that belong to it. */
  | "drops a piece of a collection"
  /** The order tells nothing of what was collected by a process that has died since. */
  | "orders only what it has collected itself";

/** In which world the steps take place. */
export interface SimulationConfig {
  /** How many providers work on the storage at once, as several processes would. */
  readonly providers: number;
  readonly backpressure: "wait" | "reject";
  readonly maxPendingMessages: number;
  readonly maxPendingBytes: number;
  /** How much of the log may be hot before it is collected. */
  readonly maxHotBytes: number;
  /** How much of it is collected at once, at least. */
  readonly minPieceBytes: number;
  /** How long a process may pause in its collection before another one takes over. */
  readonly takeoverMs: number;
  /** Bytes that each message has beside its number: with many, frames are full soon. */
  readonly padding: number;
  /** How much time passes whenever it is measured: work takes time, too. */
  readonly msPerLook: number;
  /** Whether reads answer at once, as those of a memory map. */
  readonly readsAtOnce: boolean;
  readonly breakage?: Breakage;
}

/** How a call of the storage ends. */
export type Outcome =
  | "ok"
  /** Without effect. */
  | "fails"
  /** Without effect, with an error that is none of ours. */
  | "throws"
  /** What does not make room is refused. */
  | "full"
  /** Nobody knows: nothing of it was carried out. */
  | "unknown: none"
  /** Nobody knows: only the first groups were carried out. */
  | "unknown: some"
  /** Nobody knows: all of it was carried out. */
  | "unknown: all"
  /** Nobody knows: all of it is carried out, but only after the error was told. */
  | "unknown: late";

/** Which journal of which provider is called. */
export interface Target {
  readonly provider: number;
  readonly journal: number;
  readonly actor: number;
}

/** One step. Numbers that pick something count modulo how much there is. */
export type Step =
  | Target & {
    readonly do: "append";
    readonly count: number;
    /** The expected sequence number, relative to the next one that is in the storage. */
    readonly expect?: number;
    readonly abortable?: boolean;
  }
  | { readonly do: "abort"; readonly pick: number }
  | Target & { readonly do: "truncate"; readonly back: number }
  | Target & { readonly do: "flush" }
  | Target & { readonly do: "policy"; readonly setting: number; readonly value: number }
  | Target & { readonly do: "replace journal" }
  | Target & { readonly do: "read"; readonly back: number; readonly limit?: number }
  | Target & { readonly do: "highest" }
  | Target & { readonly do: "save" }
  | Target & { readonly do: "load" }
  | Target & { readonly do: "delete snapshots" }
  | Target & { readonly do: "stream"; readonly count: number; readonly end: StreamEnd }
  | { readonly do: "stats"; readonly provider: number }
  | { readonly do: "sync"; readonly provider: number }
  | { readonly do: "health"; readonly provider: number }
  | { readonly do: "reopen"; readonly provider: number }
  | { readonly do: "crash"; readonly provider: number }
  /** The storage answers one of the calls that wait for it. */
  | { readonly do: "answer"; readonly pick: number; readonly outcome: Outcome }
  /** Microtasks pass. */
  | { readonly do: "tick"; readonly count: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "set clock"; readonly ms: number };

/** How a writable stream ends. */
export type StreamEnd = "closed" | "aborted" | "unencodable";

/** A whole run. */
export interface SimulationCase {
  readonly config: SimulationConfig;
  readonly steps: readonly Step[];
}

/** The largest batch. */
export const MAX_BATCH = 6;
/** Collections all the time, now and then, and never. */
const HOT_BYTES: readonly number[] = [1, 600, 2 ** 20];
/** Each actor in a piece of its own, or all in one. */
const PIECE_BYTES: readonly number[] = [1, 1, 2 ** 16];
/** Processes get in each other's way; wait for a moment; wait as long as they do in reality. */
const TAKEOVERS_MS: readonly number[] = [0, 20, 250];
/** What only a collection shows is found in time if there are many, in many pieces, by several. */
const OFTEN_COLLECTED = { providers: 3, maxHotBytes: 1, minPieceBytes: 1, takeoverMs: 0 } as const;
const COLLECTOR_MISTAKES: readonly Breakage[] = [
  "forgets the condition on the collector",
  "drops a piece of a collection",
  "orders only what it has collected itself",
];
/** With these, journals have only a tail; both a tail and frames; only frames. */
const PADDINGS: readonly number[] = [0, 0, 0, 100, 400, 9_000];

/** The length of a message without padding. */
export const MESSAGE_BYTES = 4;
/** How many actors there are, and journals per provider. */
export const ACTORS = 3;
export const JOURNALS = 4;

const MAX_STREAM = 20;
const MIN_STEPS = 30;
const MORE_STEPS = 90;
/** How often a call of the storage ends badly, in seeds of each kind. */
const FAILURE_PERCENTAGES = [0, 0, 4, 15, 40];
const BAD_OUTCOMES: readonly Outcome[] = [
  "fails",
  "fails",
  "throws",
  "full",
  "full",
  "unknown: none",
  "unknown: some",
  "unknown: all",
  "unknown: late",
];

/** What a seed chooses beside the steps themselves. */
interface Manner {
  readonly failurePercentage: number;
  readonly hasStreams: boolean;
  /** How many of a hundred steps let the storage answer: few pile up calls, many settle them. */
  readonly answerPercentage: number;
}

/**
 * The run that a seed stands for.
 *
 * @param seed The seed.
 * @param withStreams Whether there may be streams. Runtimes write them each in their own way, so only
 *   without them a run has the same trace on all of them.
 * @param breakage How the storage breaks its promise, if so.
 * @returns The run.
 */
export function caseOf(seed: number, withStreams = true, breakage?: Breakage): SimulationCase {
  const random = randomFrom(seed);
  const drawn: SimulationConfig = {
    providers: 1 + random.below(3),
    backpressure: random.below(3) === 0 ? "reject" : "wait",
    maxPendingMessages: 1 + random.below(random.below(2) === 0 ? 8 : 60),
    maxPendingBytes: 1_000_000,
    maxHotBytes: HOT_BYTES[random.below(HOT_BYTES.length)] ?? 1,
    minPieceBytes: PIECE_BYTES[random.below(PIECE_BYTES.length)] ?? 1,
    takeoverMs: TAKEOVERS_MS[random.below(TAKEOVERS_MS.length)] ?? 0,
    padding: PADDINGS[random.below(PADDINGS.length)] ?? 0,
    msPerLook: random.below(3) === 0 ? 0.25 : 0,
    readsAtOnce: random.below(3) === 0,
    ...(breakage === undefined ? {} : { breakage }),
  };
  const config = breakage !== undefined && COLLECTOR_MISTAKES.includes(breakage)
    ? { ...drawn, ...OFTEN_COLLECTED }
    : drawn;
  const messageBytes = MESSAGE_BYTES + config.padding;
  const limited = random.below(3) === 0
    ? { ...config, maxPendingBytes: (3 + random.below(15)) * messageBytes }
    : config;
  const manner: Manner = {
    failurePercentage: FAILURE_PERCENTAGES[random.below(FAILURE_PERCENTAGES.length)] ?? 0,
    hasStreams: withStreams && random.below(4) === 0,
    answerPercentage: 25 + random.below(50),
  };
  const count = MIN_STEPS + random.below(MORE_STEPS);
  const steps = Array.from({ length: count }, () => stepOf(random, config, manner));
  return { config: limited, steps };
}

function stepOf(random: Random, { providers }: SimulationConfig, manner: Manner): Step {
  const choice = random.below(100);
  if (choice < manner.answerPercentage) {
    return { do: "answer", pick: random.below(8), outcome: outcomeOf(random, manner) };
  }
  switch (random.below(8)) {
    case 0:
      return { do: "tick", count: 1 + random.below(12) };
    case 1:
      return { do: "advance", ms: random.below(3) === 0 ? random.below(200) : random.below(4) };
    default:
      return callOf(random, random.below(providers), manner);
  }
}

function outcomeOf(random: Random, { failurePercentage }: Manner): Outcome {
  if (random.below(100) >= failurePercentage) return "ok";
  return BAD_OUTCOMES[random.below(BAD_OUTCOMES.length)] ?? "ok";
}

function callOf(random: Random, provider: number, manner: Manner): Step {
  const target = { provider, journal: random.below(JOURNALS), actor: random.below(ACTORS) };
  switch (random.below(40)) {
    case 0:
    case 1:
      return { do: "truncate", ...target, back: random.below(8) - 1 };
    case 2:
    case 3:
      return { do: "flush", ...target };
    case 4:
      return { do: "policy", ...target, setting: random.below(4), value: random.below(10) };
    case 5:
      return { do: "replace journal", ...target };
    case 6:
    case 7:
      return {
        do: "read",
        ...target,
        back: random.below(16),
        ...(random.below(3) === 0 ? { limit: random.below(6) } : {}),
      };
    case 8:
      return { do: "highest", ...target };
    case 9:
    case 10:
      return { do: "save", ...target };
    case 11:
      return { do: "load", ...target };
    case 12:
      return { do: "delete snapshots", ...target };
    case 13:
      return { do: "stats", provider };
    case 14:
      return { do: random.below(2) === 0 ? "sync" : "health", provider };
    case 15:
      return random.below(2) === 0 ? { do: "reopen", provider } : { do: "crash", provider };
    case 16:
      return { do: "set clock", ms: random.below(2_000) - 1_000 };
    case 17:
    case 18:
    case 19:
      return { do: "abort", pick: random.below(8) };
    case 20:
    case 21:
      if (manner.hasStreams) return streamOf(random, target);
      return appendOf(random, target);
    default:
      return appendOf(random, target);
  }
}

function appendOf(random: Random, target: Target): Step {
  return {
    do: "append",
    ...target,
    count: random.below(3) === 0 ? 1 + random.below(MAX_BATCH) : 1,
    ...(random.below(8) === 0 ? { expect: random.below(4) - 1 } : {}),
    ...(random.below(6) === 0 ? { abortable: true } : {}),
  };
}

function streamOf(random: Random, target: Target): Step {
  const ends: readonly StreamEnd[] = ["closed", "closed", "aborted", "unencodable"];
  const end = ends[random.below(ends.length)] ?? "closed";
  return { do: "stream", ...target, count: 1 + random.below(MAX_STREAM), end };
}
