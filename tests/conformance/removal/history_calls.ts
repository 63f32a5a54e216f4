/**
 * The calls of histories in which removals are interrupted.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { SequenceNumberExpectation } from "../../../core/ports/journal_options.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { range } from "../fixture.ts";
import type { Random } from "../random.ts";
import { OF_KIND, remove, storeOf } from "./fixture.ts";
import { ActorModel, placeKey } from "./history_model.ts";

/** Too long for the head, so that it gets a frame of its own. */
const LONG = "x".repeat(33_000);
/** So many marks that their removal takes several steps. */
const MANY = 700;
const CONSUMERS = ["reports", "search"];

/** A call, and the actor after it. */
export interface Call {
  /** What is called, for the message of a failure. */
  readonly name: string;
  /** Whether it removes the actor. */
  readonly isRemoval?: boolean;
  /** Calls it. */
  readonly run: (provider: PersistenceProvider) => Promise<unknown>;
  /** The actor after it, if it is carried out. `undefined` if it must be refused with `CONFLICT`. */
  readonly after: ActorModel | undefined;
}

type Draw = (after: ActorModel, random: Random) => Call;

/**
 * Draws a call.
 *
 * @param actor The actor before it.
 * @param random What decides.
 * @returns The call.
 */
export function drawCall(actor: ActorModel, random: Random): Call {
  const draw = DRAWS[random.below(DRAWS.length)] ?? assert.fail();
  return draw(new ActorModel(actor), random);
}

const DRAWS: readonly Draw[] = [
  (actor) => removal(actor, "delete"),
  (actor) => removal(actor, "delete"),
  (actor) => removal(actor, "erase"),
  append,
  append,
  appendBatch,
  startAt,
  startAt,
  startAt,
  truncation,
  snapshot,
  snapshot,
  deletionOfSnapshots,
  consumer,
  marks,
  marks,
  entryWithEffects,
  entryWithEffects,
  delivery,
  givenUp,
  triedAgain,
];

function removal(actor: ActorModel, mode: "delete" | "erase"): Call {
  const run = (provider: PersistenceProvider) => remove(provider, mode);
  return { name: mode, isRemoval: true, run, after: actor.removed(mode) };
}

function append(after: ActorModel, random: Random): Call {
  const { next, first, origin } = after;
  const message = random.below(3) === 0 ? `${next} ${LONG}` : next;
  const [expected, holds] = ([
    [undefined, true],
    [undefined, true],
    ["empty", first === next],
    ["exists", next > origin],
    [next, true],
    [next + 1, false],
  ] as const)[random.below(6)] ?? assert.fail();
  after.append(message);
  return {
    name: `append ${next} expecting ${expected}`,
    run: (provider) =>
      provider.createMessageJournal<unknown>(OF_KIND)
        .append("a", message, expected === undefined ? {} : expecting(expected))
        .then((number) => assert.equal(number, next)),
    after: holds ? after : undefined,
  };
}

function expecting(
  expectedSequenceNumber: SequenceNumberExpectation,
): { expectedSequenceNumber: SequenceNumberExpectation } {
  return { expectedSequenceNumber };
}

function appendBatch(after: ActorModel, random: Random): Call {
  const { next } = after;
  const messages = range(next, next + random.below(4)).map((number) => `batch ${number}`);
  after.append(...messages);
  return {
    name: `append ${messages.length} from ${next} on`,
    run: async (provider) => {
      await using journal = provider.createBatchedMessageJournal<unknown>(OF_KIND);
      const appended = journal.appendBatch("a", messages);
      await journal.flush().catch(() => {});
      assert.equal((await appended)[0], next);
    },
    after,
  };
}

function startAt(after: ActorModel, random: Random): Call {
  const number = Math.max(0, after.next - 1 + random.below(6));
  const isAllowed = after.canStartAt(number);
  if (isAllowed) after.startAt(number);
  return {
    name: `start at ${number}`,
    run: (provider) => provider.createMessageJournal(OF_KIND).startAt("a", number),
    after: isAllowed ? after : undefined,
  };
}

function truncation(after: ActorModel, random: Random): Call {
  const before = after.first + random.below(8);
  after.truncate(before);
  return {
    name: `truncate before ${before}`,
    run: (provider) => provider.createMessageJournal(OF_KIND).truncateBefore("a", before),
    after,
  };
}

function snapshot(after: ActorModel, random: Random): Call {
  const number = random.below(6);
  const state = `state ${random.below(1_000)}`;
  after.snapshots.set(number, state);
  return {
    name: `save snapshot ${number}`,
    run: (provider) => storeOf(provider).snapshots.saveSnapshot("a", state, number),
    after,
  };
}

function deletionOfSnapshots(after: ActorModel, random: Random): Call {
  const maxSequenceNumber = random.below(6);
  for (const number of after.snapshots.keys()) {
    if (number <= maxSequenceNumber) after.snapshots.delete(number);
  }
  return {
    name: `delete snapshots up to ${maxSequenceNumber}`,
    run: (provider) => storeOf(provider).snapshots.deleteSnapshots("a", { maxSequenceNumber }),
    after,
  };
}

function consumer(after: ActorModel, random: Random): Call {
  const name = CONSUMERS[random.below(CONSUMERS.length)] ?? assert.fail();
  const position = random.below(100);
  const isEnd = random.below(3) === 0;
  if (isEnd) after.consumers.delete(name);
  else after.consumers.set(name, position);
  return {
    name: `consumer ${name} ${isEnd ? "ends" : `at ${position}`}`,
    run(provider) {
      const consumers = provider.createConsumerRegistry(OF_KIND);
      return isEnd ? consumers.unregister("a", name) : consumers.register("a", name, position);
    },
    after,
  };
}

function marks(after: ActorModel, random: Random): Call {
  const handled = random.below(100);
  const count = random.below(3) === 0 ? MANY : random.below(3);
  const refused = range(after.next, after.next + count - 1);
  after.handled = handled;
  for (const number of refused) after.refused.add(number);
  return {
    name: `mark ${handled} and ${refused.length} refusals`,
    run: (provider) => storeOf(provider).writeMarks("a", { handled, refused }),
    after,
  };
}

function entryWithEffects(after: ActorModel, random: Random): Call {
  const { next } = after;
  const effects = range(0, random.below(3)).map((index) =>
    `effect ${random.below(1_000)} ${index}`
  );
  after.append("with effects");
  for (const [index, effect] of effects.entries()) after.open.set(placeKey(next, index), effect);
  return {
    name: `append ${next} with ${effects.length} effects`,
    run(provider) {
      const store = storeOf(provider);
      const run = store.prepareEntries("a", ["with effects"], { effects });
      return store.append("a", [run], next);
    },
    after,
  };
}

/** A place at which there is an effect, most of the time. */
function somePlace(
  effects: ReadonlyMap<string, unknown>,
  random: Random,
): { key: string; actorId: string; sequenceNumber: number; index: number } {
  const keys = [...effects.keys(), "0/0", "1/1"];
  const key = keys[random.below(keys.length)] ?? assert.fail();
  const [sequenceNumber = 0, index = 0] = key.split("/").map(Number);
  return { key, actorId: "a", sequenceNumber, index };
}

function delivery(after: ActorModel, random: Random): Call {
  const { key, ...place } = somePlace(after.open, random);
  after.open.delete(key);
  return {
    name: `confirm ${key}`,
    run: (provider) => storeOf(provider).outbox.confirm([place]),
    after,
  };
}

function givenUp(after: ActorModel, random: Random): Call {
  const { key, ...place } = somePlace(after.open, random);
  const effect = after.open.get(key);
  if (after.open.delete(key)) after.dead.set(key, effect);
  return {
    name: `give up ${key}`,
    run: (provider) => storeOf(provider).outbox.bury(place, 3, "given up"),
    after,
  };
}

function triedAgain(after: ActorModel, random: Random): Call {
  const { key, ...place } = somePlace(after.dead, random);
  const effect = after.dead.get(key);
  const isThere = after.dead.delete(key);
  const isDropped = random.below(2) === 0;
  if (isThere && !isDropped) after.open.set(key, effect);
  return {
    name: `${isDropped ? "drop" : "retry"} ${key}`,
    async run(provider) {
      const { outbox } = storeOf(provider);
      if (isDropped) return assert.equal(await outbox.drop(place), isThere);
      const revived = await outbox.revive(place);
      assert.equal(revived !== undefined, isThere);
      if (revived) assert.equal((await outbox.content(revived))?.effect, effect);
    },
    after,
  };
}
