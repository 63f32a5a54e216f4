import assert from "node:assert/strict";
import { addressOf } from "../../../core/format/actor_address.ts";
import { effectKey, type EffectState } from "../../../core/format/effect_record.ts";
import type { Keyspace, ScanRange, Storage, StoredEntry } from "../../../core/ports/storage.ts";
import { assertFails, casesOf, range, withStorage } from "../fixture.ts";
import { ForwardingStorage } from "../forwarding_storage.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import { commit, put, remove } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";
import {
  account,
  Deliveries,
  openOn,
  Problems,
  quickDelivery,
  startAllOn,
  startOn,
  turn,
  until,
  withActors,
} from "./fixture.ts";
import { allOf, untilCounts } from "./outbox_fixture.ts";

const FAILURE = new Error("so wants the test");
/** An attempt that fails is not made again while the case runs. */
const LATE = { initialDelayMs: 600_000, maxDelayMs: 600_000, maxAttempts: Infinity };

/** Registers the cases about effects that must not hold up others. */
export function describePoison(options: ConformanceOptions): void {
  describeWithoutOrder(options);
  describeDamagedKeys(options);
  describeRemoved(options);
  describeRemovedWhileRead(options);
  describeSizes(options);
}

/** Deliveries that fail for each poison. */
function poisoned(): Deliveries {
  const deliveries = new Deliveries();
  deliveries.onDeliver = (effect) => {
    if (`${effect}`.startsWith("poison")) throw FAILURE;
  };
  return deliveries;
}

function deliveredBy({ seen }: Deliveries): unknown[] {
  return seen.map(({ effect }) => effect).filter((effect) => !`${effect}`.startsWith("poison"));
}

function describeWithoutOrder(options: ConformanceOptions): void {
  const check = casesOf(options, "poison effects", withActors);

  for (const count of [1, 3, 250]) {
    check(
      `with a concurrency, ${count} of an actor hold up no other, nor do they after a restart`,
      async (
        provider,
      ) => {
        const deliveries = poisoned();
        const outbox = { deliver: deliveries.deliver, ...LATE, concurrency: 3 };
        const poison = range(1, count).map((number) => `poison ${number}`);
        {
          await using actor = startOn(provider, account, { outbox, onProblem: () => {} });
          await actor.tell({ type: "add", amounts: [1], effects: [...poison, "x"] });
          await actor.tell({ type: "add", amounts: [2], effects: ["y"] });
          await until(() => deliveredBy(deliveries).length === 2);
          await untilCounts(actor.outbox, { open: count, dead: 0 });
        }
        await using actor = startOn(provider, account, { outbox, onProblem: () => {} });
        await actor.tell({ type: "add", amounts: [3], effects: ["z"] });
        await until(() => deliveredBy(deliveries).length === 3);
        assert.deepEqual(deliveredBy(deliveries).toSorted(), ["x", "y", "z"]);
      },
    );
  }

  check("with an order, one holds up those after it, and those of no other actor", async (
    provider,
  ) => {
    const deliveries = poisoned();
    const outbox = { deliver: deliveries.deliver, ...LATE };
    await using actors = startAllOn(provider, account, { outbox, onProblem: () => {} });
    await actors.tell("a", { type: "add", amounts: [1], effects: ["poison", "held up"] });
    for (const id of ["b", "c"]) {
      await actors.tell(id, { type: "add", amounts: [1], effects: [id] });
    }
    await until(() => deliveredBy(deliveries).length === 2);
    for (const _ of range(1, 5)) await turn();
    assert.deepEqual(deliveredBy(deliveries).toSorted(), ["b", "c"]);
  });
}

function describeDamagedKeys(options: ConformanceOptions): void {
  const check = casesOf(options, "damaged keys of the outbox", withActors);

  for (const [name, spoil] of DAMAGES) {
    check(`${name}: it is reported, and the effects of others are delivered`, async (
      provider,
      storage,
    ) => {
      await leaveOpen(provider);
      await spoilKey(storage, "b", spoil);
      const deliveries = new Deliveries();
      const problems = new Problems();
      await using actors = startAllOn(provider, account, {
        outbox: { deliver: deliveries.deliver, ...quickDelivery },
        onProblem: problems.onProblem,
      });
      await actors.outbox.drained();
      const ids = deliveries.seen.map(({ id }) => id).toSorted();
      assert.deepEqual(ids, ["a/0/0", "a/0/1", "b/0/1", "c/0/0", "c/0/1"]);
      assert.equal(problems.all.length, 1);
      const { type, error } = problems.all[0] ?? {};
      assert.ok(type === "outbox" || type === "dead-letter", type);
      await assertFails(() => Promise.reject(error), "CORRUPT");
      // It is still there, or known as one that is lost.
      const { open, dead } = await actors.outbox.counts();
      assert.equal(open + dead, 1);
      await actors.tell("b", { type: "add", amounts: [2], effects: ["new"] });
      await actors.outbox.drained();
      assert.equal(deliveries.seen.length, 6);
      assert.equal(problems.all.length, 1, "once");
    });
  }

  check("among dead letters: the others are listed before it is reported", async (
    provider,
    storage,
  ) => {
    await using actors = startAllOn(provider, account, {
      outbox: { deliver: () => Promise.reject(FAILURE), maxAttempts: 1 },
      onProblem: () => {},
    });
    for (const id of ["a", "b", "c"]) {
      await actors.tell(id, { type: "add", amounts: [1], effects: ["mail"] });
    }
    await actors.outbox.drained();
    await spoilKey(storage, "b", (key) => (key[key.length - 16] = 0xff), "dead");
    const listed: string[] = [];
    const list = async () => {
      for await (const { id } of actors.outbox.deadLetters()) listed.push(id);
    };
    await assertFails(list, "CORRUPT", { kind: "test" });
    assert.deepEqual(listed, ["a/0/0", "c/0/0"]);
    // What can be told apart from it is read without an error.
    assert.equal((await allOf(actors.outbox.deadLetters({ actorId: "a" }))).length, 1);
  });
}

/** Changes of a key. Some make one that looks like another place. */
const DAMAGES: readonly (readonly [name: string, spoil: (key: Uint8Array) => void])[] = [
  ["a sequence number that is none", (key) => (key[key.length - 16] = 0xff)],
  ["an index that is none", (key) => (key[key.length - 8] = 0xff)],
  ["another index", (key) => (key[key.length - 1] = 0x55)],
  ["another sequence number", (key) => (key[key.length - 9] = 0x55)],
  ["another actor", (key) => flip(key, "b".charCodeAt(0), "q".charCodeAt(0))],
  ["an actor that is none", (key) => flip(key, "b".charCodeAt(0), 0xc0)],
];

function flip(key: Uint8Array, from: number, to: number): void {
  const index = key.lastIndexOf(from);
  assert.ok(index > 0);
  key[index] = to;
}

/** Three actors, each with two effects that are open. */
async function leaveOpen(provider: Parameters<typeof startAllOn>[0]): Promise<void> {
  const outbox = { deliver: () => Promise.reject(FAILURE), ...LATE };
  await using actors = startAllOn(provider, account, { outbox, onProblem: () => {} });
  for (const id of ["a", "b", "c"]) {
    await actors.tell(id, { type: "add", amounts: [1], effects: ["mail", "more"] });
  }
}

/** Changes the key of the first effect of an actor. */
async function spoilKey(
  storage: Storage,
  actorId: string,
  spoil: (key: Uint8Array) => void,
  state: EffectState = "open",
): Promise<void> {
  const key = effectKey(state, addressOf("test", actorId, "spoil").key, 0, 0);
  const stored = await storage.get("outbox", key);
  assert.ok(stored);
  const spoilt = key.slice();
  spoil(spoilt);
  const as = { keyspace: "outbox" as const, version: stored.version };
  await commit(storage, remove(key, "outbox"), put(spoilt, stored.value, as));
}

function describeRemoved(options: ConformanceOptions): void {
  const check = casesOf(options, "effects of an actor that is removed", withActors);

  for (const mode of ["deleteActor", "eraseActor"] as const) {
    check(`${mode}: those that wait are not delivered, those after it are`, async (provider) => {
      const deliveries = poisoned();
      const outbox = { deliver: deliveries.deliver, ...quickDelivery, maxAttempts: Infinity };
      await using actors = startAllOn(provider, account, { outbox, onProblem: () => {} });
      await actors.tell("a", { type: "add", amounts: [1], effects: ["poison", "lost"] });
      await until(() => deliveries.seen.length > 1);
      await actors.passivate("a");
      await provider[mode]("a", { kind: "test" });
      deliveries.onDeliver = () => {};
      await new Promise((resolve) => setTimeout(resolve, 2));
      await actors.outbox.drained();
      const { length } = deliveries.seen;
      assert.deepEqual(deliveredBy(deliveries), []);
      await actors.tell("a", { type: "add", amounts: [2], effects: ["new"] });
      await actors.outbox.drained();
      const id = mode === "deleteActor" ? "a/0/0" : "a/1/0";
      assert.deepEqual(deliveries.seen.slice(length).map(({ effect, id }) => [effect, id]), [
        ["new", id],
      ]);
      assert.deepEqual(await actors.outbox.counts(), { open: 0, dead: 0 });
    });

    check(`${mode}: one that is being delivered does not take a new one with it`, async (
      provider,
    ) => {
      const deliveries = new Deliveries();
      const outbox = { deliver: deliveries.deliver, ...quickDelivery };
      let end = () => {};
      deliveries.onDeliver = () => new Promise<void>((resolve) => end = resolve);
      await using actors = startAllOn(provider, account, { outbox, onProblem: () => {} });
      await actors.tell("a", { type: "add", amounts: [1], effects: ["old"] });
      await until(() => deliveries.seen.length > 0);
      await actors.passivate("a");
      await provider[mode]("a", { kind: "test" });
      await new Promise((resolve) => setTimeout(resolve, 2));
      deliveries.onDeliver = () => {};
      await actors.tell("a", { type: "add", amounts: [2], effects: ["new"] });
      end();
      await actors.outbox.drained();
      assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["old", "new"]);
    });
  }
}

function describeRemovedWhileRead(options: ConformanceOptions): void {
  const check = casesOf(options, "effects of an actor that is removed", withStorage);

  check("what is read while the removal passes by has gone", async (inner) => {
    const storage = new RemovingStorage(new KeptOpenStorage(inner));
    await using provider = await openOn(storage);
    const store = provider.createActorStore({ kind: "test" });
    const { outbox } = store;
    const run = store.prepareEntries("a", ["x"], { effects: ["mail"] });
    const [effect] = (await store.append("a", [run], 0)).effects;
    assert.ok(effect);
    assert.equal((await outbox.content(effect))?.effect, "mail");
    storage.beforeMark = () => provider.deleteActor("a", { kind: "test" });
    assert.equal(await outbox.content(effect), undefined);
  });
}

/** A storage on which something happens before it is read whether an actor is being removed. */
class RemovingStorage extends ForwardingStorage {
  beforeMark: () => Promise<void> = () => Promise.resolve();

  override async get(keyspace: Keyspace, key: Uint8Array): Promise<StoredEntry | undefined> {
    const { beforeMark } = this;
    if (keyspace === "meta") {
      this.beforeMark = () => Promise.resolve();
      await beforeMark();
    }
    return await super.get(keyspace, key);
  }
}

/** A storage that knows how many bytes of effects were read at once. */
class WeighedStorage extends ForwardingStorage {
  most = 0;

  override async scan(keyspace: Keyspace, range: ScanRange): Promise<StoredEntry[]> {
    const found = await super.scan(keyspace, range);
    if (keyspace !== "outbox") return found;
    const bytes = found.reduce((sum, { value }) => sum + value.length, 0);
    this.most = Math.max(this.most, bytes);
    return found;
  }
}

function describeSizes(options: ConformanceOptions): void {
  const check = casesOf(options, "large effects", withStorage);

  check("they are read in pages of bounded size, delivered, and listed", async (inner) => {
    const storage = new WeighedStorage(new KeptOpenStorage(inner));
    await using provider = await openOn(storage);
    const large = "x".repeat(300_000);
    const deliveries = new Deliveries();
    deliveries.onDeliver = () => {
      throw FAILURE;
    };
    const outbox = { deliver: deliveries.deliver };
    {
      await using actors = startAllOn(provider, account, {
        outbox: { ...outbox, ...LATE },
        onProblem: () => {},
      });
      for (const id of range(1, 12)) {
        await actors.tell(`${id}`, { type: "add", amounts: [1], effects: [`${id} ${large}`] });
      }
    }
    await using actors = startAllOn(provider, account, {
      outbox: { ...outbox, ...quickDelivery, maxAttempts: 3 },
      onProblem: () => {},
    });
    await actors.outbox.drained();
    const page = await provider.createActorStore({ kind: "test" }).outbox
      .deadLetters({ limit: 100 });
    assert.ok(page.effects.length < 8, `${page.effects.length} in a page`);
    const letters = await allOf(actors.outbox.deadLetters());
    assert.equal(letters.length, 12);
    for (const { actorId, effect, bytes } of letters) {
      assert.equal(effect, `${actorId} ${large}`);
      assert.ok(bytes >= large.length);
    }
    assert.ok(storage.most <= 2 ** 21, `${storage.most} bytes at once`);
  });
}
