import assert from "node:assert/strict";
import { ActorRegistry } from "../../core/actor_registry.ts";
import { test } from "../harness.ts";

const MAX_IDLE_ACTORS = 10_000;

function sizeOf(registry: ActorRegistry): number {
  return [...registry.all()].length;
}

test("a registry keeps 10,000 idle actors, and forgets the oldest", () => {
  const registry = new ActorRegistry();
  for (let index = 0; index < 2.5 * MAX_IDLE_ACTORS; index++) registry.get(`actor-${index}`);
  assert.equal(sizeOf(registry), MAX_IDLE_ACTORS);
  assert.ok(registry.has(`actor-${2.5 * MAX_IDLE_ACTORS - 1}`));
  assert.ok(!registry.has("actor-0"));
});

test("a registry never forgets an actor that is busy", () => {
  const registry = new ActorRegistry();
  const busy = registry.get("busy");
  busy.inFlight = true;
  for (let index = 0; index < 2.5 * MAX_IDLE_ACTORS; index++) registry.get(`actor-${index}`);
  assert.equal(registry.get("busy"), busy);
});

test("a registry that had to keep more, because they were busy, shrinks again", () => {
  const registry = new ActorRegistry();
  const busy = Array.from({ length: 3 * MAX_IDLE_ACTORS }, (_, index) => {
    const actor = registry.get(`busy-${index}`);
    actor.inFlight = true;
    return actor;
  });
  assert.equal(sizeOf(registry), busy.length);
  for (const actor of busy) actor.inFlight = false;
  for (let index = 0; index < 3 * MAX_IDLE_ACTORS; index++) registry.get(`actor-${index}`);
  assert.equal(sizeOf(registry), MAX_IDLE_ACTORS);
});

test("a registry does not grow on and on beside actors that are always busy", () => {
  const registry = new ActorRegistry();
  const always = Array.from({ length: 100 }, (_, index) => registry.get(`always-${index}`));
  for (const actor of always) actor.inFlight = true;
  for (let index = 0; index < 20 * MAX_IDLE_ACTORS; index++) registry.get(`actor-${index}`);
  const size = sizeOf(registry);
  assert.ok(size <= MAX_IDLE_ACTORS + always.length, `${size} actors are kept`);
});
