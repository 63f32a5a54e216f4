import assert from "node:assert/strict";
import { assertFails, assertRefused, casesOf, range, withProvider } from "../fixture.ts";
import { commit, EVERYTHING, put } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about the consumers of journals, and about the list of actors. */
export function describeConsumers(options: ConformanceOptions): void {
  describeRegistry(options);
  describeActorList(options);
}

function describeRegistry(options: ConformanceOptions): void {
  const check = casesOf(options, "consumers", withProvider());

  check("the lowest position of all consumers counts", async (provider) => {
    const consumers = provider.createConsumerRegistry();
    assert.equal(await consumers.lowestNeeded("a"), undefined);
    await Promise.all([
      consumers.register("a", "one", 5),
      provider.createConsumerRegistry().register("a", "two", 3),
      consumers.register("a", "__proto__", 9),
      consumers.register("b", "one", 1),
    ]);
    assert.equal(await consumers.lowestNeeded("a"), 3);
    assert.deepEqual(
      [...await consumers.positions("a")].toSorted(),
      [["__proto__", 9], ["one", 5], ["two", 3]],
    );
    await consumers.register("a", "two", 12);
    assert.equal(await consumers.lowestNeeded("a"), 5);
    await consumers.unregister("a", "one");
    await consumers.unregister("a", "nobody");
    assert.equal(await consumers.lowestNeeded("a"), 9);
    assert.equal(await consumers.lowestNeeded("b"), 1);
  });

  check("they are bounded, and bad arguments are refused", async (provider) => {
    const consumers = provider.createConsumerRegistry();
    await Promise.all(range(1, 1_000).map((number) => consumers.register("a", `${number}`, 0)));
    const many = () => consumers.register("a", "one more", 0);
    await assertFails(many, "TOO_LARGE", { actorId: "a" });
    await consumers.register("a", "1", 7);
    await assertRefused(() => consumers.register("", "x", 0), "range");
    await assertRefused(() => consumers.register("a", "", 0), "range");
    await assertRefused(() => consumers.register("a", "x".repeat(257), 0), "range");
    await assertRefused(() => consumers.register("a", 1 as unknown as string, 0), "type");
    await assertRefused(() => consumers.register("a", "x", -1), "range");
    await assertRefused(() => consumers.lowestNeeded(""), "range");
  });

  check("a damaged record is CORRUPT", async (provider, storage) => {
    const consumers = provider.createConsumerRegistry();
    await consumers.register("a", "x", 5);
    const records = await storage.scan("meta", EVERYTHING);
    const record = records.find(({ key }) => key[0] === 1);
    assert.ok(record);
    const value = record.value.slice();
    value[value.length - 1] = 0;
    await commit(storage, put(record.key, value, { keyspace: "meta" }));
    await assertFails(() => consumers.lowestNeeded("a"), "CORRUPT", { actorId: "a" });
  });

  check("after close they are CLOSED", async (provider) => {
    const consumers = provider.createConsumerRegistry();
    await provider.close();
    await assertFails(() => consumers.register("a", "x", 5), "CLOSED");
    await assertFails(() => consumers.lowestNeeded("a"), "CLOSED");
    await assertFails(() => Promise.resolve(provider.createConsumerRegistry()), "CLOSED");
  });
}

function describeActorList(options: ConformanceOptions): void {
  const check = casesOf(options, "list of actors", withProvider());

  check("it has all actors with a journal, in order, whatever their ids", async (provider) => {
    assert.deepEqual(await allOf(provider.actorIds()), []);
    const journal = provider.createMessageJournal<number>();
    const odd = ["\0", "\0\0", "\u00ff", "é", "x".repeat(512), "a/b", "a", "a\0", "a\0b", "漢字"];
    const ids = [...odd, ...range(1, 1_200).map((number) => `actor ${number}`)];
    await Promise.all(ids.map((id) => journal.append(id, 1)));
    await journal.truncateBefore("a", 1);
    const encoder = new TextEncoder();
    const inOrder = ids.toSorted((one, other) => {
      const [a, b] = [encoder.encode(one), encoder.encode(other)];
      const at = a.findIndex((byte, index) => byte !== b[index]);
      if (at < 0) return a.length - b.length;
      return (a[at] ?? 0) - (b[at] ?? -1);
    });
    assert.deepEqual(await allOf(provider.actorIds()), inOrder);
    for (const after of [inOrder[0], inOrder[600], inOrder[inOrder.length - 1]]) {
      assert.ok(after);
      const rest = inOrder.slice(inOrder.indexOf(after) + 1);
      assert.deepEqual(await allOf(provider.actorIds({ after })), rest);
    }
    await assertRefused(() => provider.actorIds({ after: "" }).next(), "range");
  });

  check("after close it is CLOSED", async (provider) => {
    const journal = provider.createMessageJournal<number>();
    await Promise.all([journal.append("a", 1), journal.append("b", 1)]);
    const ids = provider.actorIds();
    assert.equal((await ids.next()).value, "a");
    await provider.close();
    await assertFails(() => ids.next(), "CLOSED");
    await assertFails(() => provider.actorIds().next(), "CLOSED");
  });
}

async function allOf(ids: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const id of ids) all.push(id);
  return all;
}
