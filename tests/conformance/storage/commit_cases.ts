import assert from "node:assert/strict";
import {
  KEYSPACES,
  MAX_KEY_BYTES,
  type StorageChange,
  type WriteGroup,
} from "../../../core/ports/storage.ts";
import { casesOf, range, withStorage } from "../fixture.ts";
import {
  absent,
  bytesOf,
  commit,
  dump,
  EVERYTHING,
  group,
  hasVersion,
  put,
  remove,
  textOf,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about groups and their changes. */
export function describeStorageGroups(options: ConformanceOptions): void {
  const check = casesOf(options, "storage commit", withStorage);

  check("no groups resolve to no answers", async (storage) => {
    assert.deepEqual(await storage.commit([]), []);
    assert.deepEqual(await dump(storage), []);
  });

  check("a group without conditions and changes applies", async (storage) => {
    assert.deepEqual(await storage.commit([group([]), group([])]), [true, true]);
  });

  check("there is one answer for each group, in order", async (storage) => {
    await commit(storage, put("there", "", { version: 2 }));
    const answers = await storage.commit([
      group([put("a", "")], hasVersion("there", 2)),
      group([put("b", "")], absent("there")),
      group([put("c", "")]),
      group([put("d", "")], hasVersion("there", 1)),
      group([put("e", "")], absent("not there")),
    ]);
    assert.deepEqual(answers, [true, false, true, false, true]);
    assert.deepEqual(await dump(storage), ["a=@0", "c=@0", "e=@0", "there=@2"]);
  });

  check("the changes of a group apply in order: the last put of a key wins", async (storage) => {
    await commit(storage, put("a", "1"), put("a", "2", { version: 5 }), put("b", "1"));
    assert.deepEqual(await dump(storage), ["a=2@5", "b=1@0"]);
  });

  check("put then delete of one key in a group leaves it absent", async (storage) => {
    await commit(storage, put("a", "1"), remove("a"), put("b", "1"));
    assert.deepEqual(await dump(storage), ["b=1@0"]);
  });

  check("delete then put of one key in a group leaves it there", async (storage) => {
    await commit(storage, put("a", "1", { version: 1 }));
    await commit(storage, remove("a"), put("a", "2", { version: 2 }));
    assert.deepEqual(await dump(storage), ["a=2@2"]);
  });

  check("deleting an absent key is no error, and does not hinder its group", async (storage) => {
    await commit(storage, remove("a"));
    await commit(storage, remove("a"), put("b", "1"), remove("c"));
    assert.deepEqual(await dump(storage), ["b=1@0"]);
  });

  check("deleting a key leaves those with the same beginning", async (storage) => {
    await commit(storage, put("a", ""), put("aa", ""), put("a\0", ""), put("b", ""));
    await commit(storage, remove("a"));
    assert.deepEqual(await dump(storage), ["a\0=@0", "aa=@0", "b=@0"]);
  });

  check("a group may change all keyspaces", async (storage) => {
    await commit(storage, ...KEYSPACES.map((keyspace) => put("a", keyspace, { keyspace })));
    for (const keyspace of KEYSPACES) {
      assert.deepEqual(await dump(storage, keyspace), [`a=${keyspace}@0`]);
    }
    await commit(storage, ...KEYSPACES.map((keyspace) => remove("a", keyspace)));
    for (const keyspace of KEYSPACES) assert.deepEqual(await dump(storage, keyspace), []);
  });

  check("the same key in two groups: the later group wins", async (storage) => {
    const groups = [group([put("a", "1")]), group([put("a", "2")]), group([put("a", "3")])];
    assert.deepEqual(await storage.commit(groups), [true, true, true]);
    assert.deepEqual(await dump(storage), ["a=3@0"]);
  });

  check("1,000 groups and 1,000 changes apply in one commit", async (storage) => {
    const names = range(0, 999).map((index) => `${index}`.padStart(3, "0"));
    const changes: StorageChange[] = names.map((name) => put(`x${name}`, ""));
    const groups: WriteGroup[] = names.map((name) => group([put(`y${name}`, "")]));
    const answers = await storage.commit([group(changes), ...groups]);
    assert.ok(answers.length === 1_001 && answers.every((answer) => answer));
    assert.equal((await storage.scan("entries", EVERYTHING)).length, 2_000);
  });

  check("what was passed may be changed after the commit has settled", async (storage) => {
    const key = bytesOf("a");
    const value = bytesOf("1");
    await commit(storage, put(key, value));
    key.fill(0);
    value.fill(0);
    assert.deepEqual(await dump(storage), ["a=1@0"]);
  });

  check("keys at the limit of length are told apart by their last byte", async (storage) => {
    const keys = [0, 1, 0x7f, 0x80, 0xff].map((last) => {
      const key = new Uint8Array(MAX_KEY_BYTES).fill(0x61);
      key[MAX_KEY_BYTES - 1] = last;
      return key;
    });
    await commit(storage, ...keys.map((key) => put(key, "")));
    const page = await storage.scan("entries", EVERYTHING);
    assert.deepEqual(page.map(({ key }) => key.at(-1)), [0, 1, 0x7f, 0x80, 0xff]);
  });
}

/** Registers the cases about conditions. */
export function describeStorageConditions(options: ConformanceOptions): void {
  const check = casesOf(options, "storage conditions", withStorage);

  check("absent holds of an absent key only", async (storage) => {
    assert.deepEqual(await storage.commit([group([put("a", "1")], absent("a"))]), [true]);
    assert.deepEqual(await storage.commit([group([put("a", "2")], absent("a"))]), [false]);
    await commit(storage, remove("a"));
    assert.deepEqual(await storage.commit([group([put("a", "3")], absent("a"))]), [true]);
    assert.deepEqual(await dump(storage), ["a=3@0"]);
  });

  check("absent does not hold of a key with an empty value and version 0", async (storage) => {
    await commit(storage, put("a", ""));
    assert.deepEqual(await storage.commit([group([put("b", "")], absent("a"))]), [false]);
  });

  for (const version of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    check(`version ${version} holds of that version only`, async (storage) => {
      const other = version === 0 ? 1 : version - 1;
      await commit(storage, put("a", "", { version }));
      const answers = await storage.commit([
        group([], hasVersion("a", version)),
        group([], hasVersion("a", other)),
        group([], hasVersion("b", version)),
      ]);
      assert.deepEqual(answers, [true, false, false]);
    });
  }

  check("versions that differ only above 32 bits are told apart", async (storage) => {
    await commit(storage, put("a", "", { version: 2 ** 32 + 5 }), put("b", "", { version: 5 }));
    const answers = await storage.commit([
      group([], hasVersion("a", 5)),
      group([], hasVersion("b", 2 ** 32 + 5)),
    ]);
    assert.deepEqual(answers, [false, false]);
  });

  check("a group with conditions only applies, and changes nothing", async (storage) => {
    await commit(storage, put("a", "1", { version: 3 }));
    const groups = [group([], hasVersion("a", 3)), group([], absent("a"))];
    assert.deepEqual(await storage.commit(groups), [true, false]);
    assert.deepEqual(await dump(storage), ["a=1@3"]);
  });

  check("a condition about another key than those that change", async (storage) => {
    await commit(storage, put("guard", "", { version: 1 }));
    const groups = [
      group([put("a", "1"), remove("guard")], hasVersion("guard", 1)),
      group([put("b", "1")], hasVersion("guard", 1)),
    ];
    assert.deepEqual(await storage.commit(groups), [true, false]);
    assert.deepEqual(await dump(storage), ["a=1@0"]);
  });

  check("a condition looks into its own keyspace", async (storage) => {
    await commit(storage, put("a", "", { keyspace: "heads", version: 1 }));
    const answers = await storage.commit([
      group([], absent("a", "entries")),
      group([], absent("a", "heads")),
      group([], hasVersion("a", 1, "entries")),
      group([], hasVersion("a", 1, "heads")),
    ]);
    assert.deepEqual(answers, [true, false, false, true]);
  });

  check("several conditions over several keyspaces: one that fails is enough", async (storage) => {
    await commit(
      storage,
      put("h", "", { keyspace: "heads", version: 1 }),
      put("s", "", { keyspace: "snapshots", version: 2 }),
    );
    const holds = [hasVersion("h", 1, "heads"), hasVersion("s", 2, "snapshots"), absent("x")];
    assert.deepEqual(await storage.commit([group([put("all", "")], ...holds)]), [true]);
    const fails = [hasVersion("h", 2, "heads"), absent("s", "snapshots"), hasVersion("x", 0)];
    for (const [index, failing] of fails.entries()) {
      const conditions = holds.with(index, failing);
      const name = `fails ${index}`;
      assert.deepEqual(await storage.commit([group([put(name, "")], ...conditions)]), [false]);
    }
    assert.deepEqual(await dump(storage), ["all=@0"]);
  });

  check("a group whose condition fails applies none of its changes", async (storage) => {
    await commit(storage, put("a", "1"), put("b", "1"));
    const changes = [
      put("a", "2", { version: 9 }),
      remove("b"),
      put("c", "1"),
      put("h", "1", { keyspace: "heads" }),
    ];
    assert.deepEqual(await storage.commit([group(changes, absent("a"))]), [false]);
    assert.deepEqual(await dump(storage), ["a=1@0", "b=1@0"]);
    assert.deepEqual(await dump(storage, "heads"), []);
  });

  check("a failing group does not disturb its neighbours", async (storage) => {
    await commit(storage, put("a", "1"));
    const groups = [
      group([put("b", "1")]),
      group([put("b", "2"), remove("a")], absent("a")),
      group([put("c", "3")]),
      group([put("c", "4")], hasVersion("b", 7)),
    ];
    assert.deepEqual(await storage.commit(groups), [true, false, true, false]);
    assert.deepEqual(await dump(storage), ["a=1@0", "b=1@0", "c=3@0"]);
  });

  check("a condition sees what the groups before it did in the same commit", async (storage) => {
    const answers = await storage.commit([
      group([put("a", "1", { version: 1 })], absent("a")),
      group([put("a", "x", { version: 9 })], absent("a")),
      group([put("a", "2", { version: 2 })], hasVersion("a", 1)),
      group([remove("a")], hasVersion("a", 2)),
      group([put("a", "3", { version: 3 })], absent("a")),
    ]);
    assert.deepEqual(answers, [true, false, true, true, true]);
    assert.deepEqual(await dump(storage), ["a=3@3"]);
  });

  check("a condition does not see what its own group does", async (storage) => {
    const groups = [group([put("a", "1", { version: 1 })], hasVersion("a", 1))];
    assert.deepEqual(await storage.commit(groups), [false]);
    assert.deepEqual(await dump(storage), []);
  });

  check("a condition does not see what a failing group would have done", async (storage) => {
    const groups = [
      group([put("a", "1")], hasVersion("x", 1)),
      group([put("b", "1")], absent("a")),
    ];
    assert.deepEqual(await storage.commit(groups), [false, true]);
    assert.deepEqual(await dump(storage), ["b=1@0"]);
  });

  check("a condition on a key at the limit of length", async (storage) => {
    const key = "k".repeat(MAX_KEY_BYTES);
    assert.deepEqual(await storage.commit([group([put(key, "")], absent(key))]), [true]);
    const groups = [group([], absent(key)), group([], hasVersion(key, 0))];
    assert.deepEqual(await storage.commit(groups), [false, true]);
  });
}

/** Registers the cases about commits that run at the same time. */
export function describeStorageConcurrency(options: ConformanceOptions): void {
  const check = casesOf(options, "storage concurrency", withStorage);

  check("commits that are not awaited take effect in the order of the calls", async (storage) => {
    const commits = range(0, 99).map((version) => {
      const counter = group(
        [put("counter", `${version}`, { version }), put(`log ${version}`, "")],
        version === 0 ? absent("counter") : hasVersion("counter", version - 1),
      );
      // Small and large ones, so that a small one could overtake.
      const others = range(1, version % 5).map((other) =>
        group([put(`other ${version} ${other}`, "x".repeat(4_000 * other))])
      );
      return storage.commit([...others, counter]);
    });
    const answers = await Promise.all(commits);
    assert.deepEqual(answers, range(0, 99).map((index) => range(0, index % 5).map(() => true)));
    const entry = await storage.get("entries", bytesOf("counter"));
    assert.equal(textOf(entry?.value ?? new Uint8Array()), "99");
    const page = await storage.scan("entries", { ...EVERYTHING, keysOnly: true });
    assert.equal(page.length, 301);
  });

  check("of 100 commits that expect the same version at once, one applies", async (storage) => {
    await commit(storage, put("a", "", { version: 1 }));
    const answers = await Promise.all(
      range(1, 100).map((winner) =>
        storage.commit([group([put("a", `${winner}`, { version: 2 })], hasVersion("a", 1))])
      ),
    );
    assert.deepEqual(answers, [[true], ...range(1, 99).map(() => [false])]);
    assert.deepEqual(await dump(storage), ["a=1@2"]);
  });

  check("a commit that has resolved is seen by reads", async (storage) => {
    for (const round of range(1, 50)) {
      await commit(storage, put("a", `${round}`));
      assert.deepEqual(await dump(storage), [`a=${round}@0`]);
      await commit(storage, remove("a"));
      assert.equal(await storage.get("entries", bytesOf("a")), undefined);
    }
  });

  check("reads run between commits and see whole groups only", async (storage) => {
    const work: Promise<unknown>[] = [];
    for (const round of range(1, 100)) {
      work.push(commit(storage, put("a", `${round}`), put("b", `${round}`)));
      work.push(
        Promise.resolve(storage.scan("entries", EVERYTHING)).then((page) => {
          assert.ok(page.length === 0 || page.length === 2);
          assert.equal(new Set(page.map(({ value }) => textOf(value))).size, page.length / 2);
        }),
      );
    }
    await Promise.all(work);
    assert.deepEqual(await dump(storage), ["a=100@0", "b=100@0"]);
  });
}
