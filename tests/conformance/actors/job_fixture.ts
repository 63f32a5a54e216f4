/**
 * Actors whose handlers and other callbacks are what a case wants.
 *
 * @module
 */

import {
  type Behavior,
  commandSourced,
  eventSourced,
  type HandlerResult,
} from "../../../core/actors/behavior.ts";
import { turn } from "./fixture.ts";

/** What a worker is told: callbacks, which are not stored with event sourcing. */
export interface Job {
  /** What is added to the sum; nothing is journaled without. */
  readonly add?: number;
  /** Called in the handler, which waits for it. */
  readonly run?: (() => unknown) | undefined;
  /** Called after it is durable. */
  readonly afterPersist?: () => void | Promise<void>;
  /** Called for the answer; otherwise the answer is what `run` gave, or the sum. */
  readonly reply?: (sum: number) => unknown;
  /** Effects. */
  readonly effects?: readonly unknown[];
}

/** An event-sourced sum whose commands bring the callbacks. */
export const worker: Behavior<number, Job, number, unknown, unknown> = eventSourced<
  number,
  Job,
  number,
  unknown,
  unknown
>({
  initialState: 0,
  handle(_sum, job) {
    if (!job.run) return resultOf(job, undefined);
    const ran = job.run();
    return ran instanceof Promise ? ran.then((value) => resultOf(job, value)) : resultOf(job, ran);
  },
  apply: (sum, add) => sum + add,
});

function resultOf(
  { add, reply, afterPersist, effects }: Job,
  ran: unknown,
): HandlerResult<number, unknown, unknown> & { events?: number[] } {
  return {
    ...(add !== undefined && { events: [add] }),
    ...(effects && { effects }),
    ...(afterPersist && { afterPersist }),
    reply: reply ?? ((sum) => ran ?? sum),
  };
}

/** What a command-sourced worker is told: the name of a job, and what is added. */
export interface NamedJob {
  readonly name: string;
  readonly add?: number;
  readonly read?: boolean;
}

/**
 * A command-sourced sum whose messages name jobs, since functions cannot be journaled.
 *
 * @param jobs The jobs, by name.
 */
export function namedWorker(
  jobs: Readonly<Record<string, Omit<Job, "add">>>,
): Behavior<number, NamedJob, NamedJob, unknown, unknown> {
  return commandSourced<number, NamedJob, unknown, unknown>({
    initialState: 0,
    isReadOnly: ({ read = false }) => read,
    handle(sum, { name, add = 0 }) {
      const job = jobs[name] ?? {};
      const finish = (ran: unknown) => {
        const { events: _, ...result } = resultOf(job, ran);
        return { ...result, state: sum + add };
      };
      const ran = job.run?.();
      return ran instanceof Promise ? ran.then(finish) : finish(ran);
    },
  });
}

/** What the cases throw. */
export const FAILURE: Error = new Error("so wants the test");

/** The ways in which a callback fails. */
export const FAILING: readonly (readonly [string, () => unknown])[] = [
  ["throws", () => {
    throw FAILURE;
  }],
  ["rejects", () => Promise.reject(FAILURE)],
  ["rejects later", async () => {
    await turn();
    throw FAILURE;
  }],
];

/** What a callback that must answer at once may do instead. */
export const PROMISES: readonly (readonly [string, () => unknown])[] = [
  ["returns a promise", () => Promise.resolve(true)],
  ["returns a promise that rejects", () => Promise.reject(FAILURE)],
  ["returns a promise that never settles", () => new Promise(() => {})],
  ["returns an object with a then", () => ({ then: () => {} })],
];

/** A callback that never settles. */
export const never = (): Promise<never> => new Promise<never>(() => {});
