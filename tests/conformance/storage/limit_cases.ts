import assert from "node:assert/strict";
import type { Storage } from "../../../core/ports/storage.ts";
import { casesOf, outcomesOf, range, withPlace } from "../fixture.ts";
import { commit, dump, EVERYTHING, group, put, remove } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about the size limit. */
export function describeStorageLimit(options: ConformanceOptions): void {
  const check = casesOf(options, "storage limit", withPlace, "sizeLimit");
  const limitBytes = 2 ** 20;
  const chunk = new Uint8Array(2 ** 16).fill(7);

  check("stats tell the limit", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    assert.equal((await storage.stats()).limitBytes, limitBytes);
  });

  check("what exceeds it is refused with STORAGE_FULL, and what was there stays", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    const stored = await fill(storage, chunk);
    assert.ok(stored > 0 && stored < 16, `${stored} chunks of 64 KiB fit in 1 MiB`);
    const page = await storage.scan("entries", EVERYTHING);
    assert.equal(page.length, stored);
    assert.ok(page.every(({ value }) => value.length === chunk.length && value[9] === 7));
  });

  check(
    "nothing of a refused commit is applied, the groups that would fit included",
    async (place) => {
      await using storage = await place.openStorage({ limitBytes });
      await commit(storage, put("a", "1"), put("b", "1"));
      const tooMuch = group(range(1, 32).map((index) => put(`big ${index}`, chunk)));
      const groups = [group([put("a", "2"), put("c", "2")]), tooMuch, group([remove("b")])];
      assert.deepEqual(await outcomesOf([storage.commit(groups)]), ["STORAGE_FULL"]);
      assert.deepEqual(await dump(storage), ["a=1@0", "b=1@0"]);
      assert.deepEqual(await dump(storage, "heads"), []);
    },
  );

  check("a value larger than the whole limit is refused, and small ones go on", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    const commits = [
      storage.commit([group([put("a", new Uint8Array(2 * limitBytes))])]),
      storage.commit([group([put("b", "1")])]),
    ];
    assert.deepEqual(await outcomesOf(commits), ["STORAGE_FULL", [true]]);
    assert.deepEqual(await dump(storage), ["b=1@0"]);
  });

  check("on a full storage deleting works, and makes room", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    const stored = await fill(storage, chunk);
    for (const index of range(0, stored - 1)) await commit(storage, remove(chunkKey(index)));
    assert.deepEqual(await dump(storage), []);
    await commit(storage, put("after", chunk));
    assert.equal((await storage.scan("entries", EVERYTHING)).length, 1);
  });

  check("on a full storage a group that makes room may put, too", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    const stored = await fill(storage, chunk);
    for (const index of range(0, stored - 1)) {
      const changes = [put("head", `${index}`, { keyspace: "heads" }), remove(chunkKey(index))];
      const makingRoom = { conditions: [], changes, makesRoom: true };
      assert.deepEqual(await storage.commit([makingRoom]), [true]);
    }
    assert.deepEqual(await dump(storage), []);
    assert.deepEqual(await dump(storage, "heads"), [`head=${stored - 1}@0`]);
  });

  check("it can be filled and emptied again and again", async (place) => {
    await using storage = await place.openStorage({ limitBytes });
    const first = await fill(storage, chunk);
    for (const round of range(1, 5)) {
      const keys = await storage.scan("entries", { ...EVERYTHING, keysOnly: true });
      await commit(storage, ...keys.map(({ key }) => remove(key)));
      const stored = await fill(storage, chunk);
      assert.ok(stored >= first / 4, `${stored} in round ${round}, ${first} at first`);
    }
  });

  const reopening = casesOf(options, "storage limit", withPlace, "sizeLimit", "reopen");
  reopening(
    "after reopening with a larger limit everything is there and goes on",
    async (place) => {
      const full = await place.openStorage({ limitBytes });
      const stored = await fill(full, chunk);
      await full.close();
      await using storage = await place.openStorage({ limitBytes: 8 * limitBytes });
      assert.equal((await storage.stats()).limitBytes, 8 * limitBytes);
      assert.equal((await storage.scan("entries", EVERYTHING)).length, stored);
      for (const index of range(100, 119)) await commit(storage, put(chunkKey(index), chunk));
      assert.equal((await storage.scan("entries", EVERYTHING)).length, stored + 20);
    },
  );
}

/** Puts chunks until the storage is full, and gives back how many fitted. */
async function fill(storage: Storage, chunk: Uint8Array): Promise<number> {
  for (const index of range(0, 31)) {
    const outcome = await outcomesOf([storage.commit([group([put(chunkKey(index), chunk)])])]);
    if (outcome[0] === "STORAGE_FULL") return index;
    assert.deepEqual(outcome, [[true]]);
  }
  assert.fail("never full");
}

function chunkKey(index: number): string {
  return `chunk ${`${index}`.padStart(3, "0")}`;
}
