import assert from "node:assert/strict";
import { MemoryStorage } from "../../adapters/memory.ts";
import type { ActorQueue } from "../../core/commit/actor_queue.ts";
import { ActorQueues } from "../../core/commit/actor_queues.ts";
import { addressOf } from "../../core/format/actor_address.ts";
import { Log } from "../../core/log/log.ts";
import { test } from "../harness.ts";

const MAX_IDLE_ACTORS = 10_000;
const log = await Log.open(await MemoryStorage.open());

function sizeOf(queues: ActorQueues): number {
  return [...queues.all()].length;
}

function get(queues: ActorQueues, actorId: string, kind = ""): ActorQueue {
  return queues.get(addressOf(kind, actorId, "test"));
}

/** Meets so many actors, of a few kinds in turn. */
function meet(queues: ActorQueues, count: number): void {
  const kinds = ["", "cart", "user"];
  for (let index = 0; index < count; index++) get(queues, `actor-${index}`, kinds[index % 3]);
}

test("10,000 idle actors are kept, of whatever kinds, and the oldest are forgotten", () => {
  const queues = new ActorQueues(log);
  const last = 2.5 * MAX_IDLE_ACTORS - 1;
  meet(queues, last + 1);
  assert.equal(sizeOf(queues), MAX_IDLE_ACTORS);
  assert.equal(queues.find("", `actor-${last}`)?.address.actorId, `actor-${last}`);
  assert.equal(queues.find("cart", `actor-${last}`), undefined);
  assert.equal(queues.find("", "actor-0"), undefined);
  assert.equal(queues.find("cart", "actor-1"), undefined);
});

test("each actor has one queue, and actors of different kinds have different ones", () => {
  const queues = new ActorQueues(log);
  const kinds = ["", "a", "a\0", "b"];
  const all = kinds.map((kind) => get(queues, "42", kind));
  assert.equal(new Set(all).size, kinds.length);
  for (const [index, kind] of kinds.entries()) {
    assert.equal(get(queues, "42", kind), all[index]);
    assert.equal(queues.find(kind, "42"), all[index]);
  }
  assert.equal(queues.find("c", "42"), undefined);
  assert.deepEqual([...queues.all()], all);
});

test("a kind is forgotten with its last actor, and can be met again", () => {
  const queues = new ActorQueues(log);
  const first = get(queues, "42", "rare");
  for (let index = 0; index < 2 * MAX_IDLE_ACTORS; index++) get(queues, `actor-${index}`);
  assert.equal(queues.find("rare", "42"), undefined);
  const second = get(queues, "42", "rare");
  assert.notEqual(second, first);
  assert.equal(get(queues, "42", "rare"), second);
});

test("a busy actor is never forgotten", () => {
  const queues = new ActorQueues(log);
  const busy = ["", "cart", "rare"].map((kind) => get(queues, "busy", kind));
  for (const actor of busy) actor.inFlight = true;
  meet(queues, 2.5 * MAX_IDLE_ACTORS);
  assert.deepEqual(["", "cart", "rare"].map((kind) => get(queues, "busy", kind)), busy);
});

test("if more had to be kept because they were busy, their number shrinks again", () => {
  const queues = new ActorQueues(log);
  const busy = Array.from({ length: 3 * MAX_IDLE_ACTORS }, (_, index) => {
    const actor = get(queues, `busy-${index}`, index % 2 === 0 ? "" : "cart");
    actor.inFlight = true;
    return actor;
  });
  assert.equal(sizeOf(queues), busy.length);
  for (const actor of busy) actor.inFlight = false;
  meet(queues, 3 * MAX_IDLE_ACTORS);
  assert.equal(sizeOf(queues), MAX_IDLE_ACTORS);
});

test("the number of actors does not keep growing beside actors that are always busy", () => {
  const queues = new ActorQueues(log);
  const always = Array.from({ length: 100 }, (_, index) => get(queues, `always-${index}`));
  for (const actor of always) actor.inFlight = true;
  meet(queues, 20 * MAX_IDLE_ACTORS);
  const size = sizeOf(queues);
  assert.ok(size <= MAX_IDLE_ACTORS + always.length, `${size} actors are kept`);
});

test("the log holds on to actors as long as they are known", async () => {
  const own = await Log.open(await MemoryStorage.open());
  const queues = new ActorQueues(own);
  meet(queues, 2.5 * MAX_IDLE_ACTORS);
  assert.equal([...own.hot.actors()].length, MAX_IDLE_ACTORS);
  for (const { address, journal } of queues.all()) {
    assert.equal(own.hot.find(address.key, journal.checksum), journal);
    assert.equal(journal.users, 1);
  }
});
