import assert from "node:assert/strict";
import { nearestName } from "../../core/util/option_names.ts";
import { test } from "../harness.ts";

const KNOWN = ["to", "limit", "signal", "durability", "mapSize", "maxDbs", "maxReaders"];

const NEAREST: readonly [string, string | undefined][] = [
  ["durability", "durability"],
  ["durabilty", "durability"],
  ["durabillity", "durability"],
  ["durabiltiy", "durability"],
  ["DURABILITY", "durability"],
  ["dorabelety", "durability"],
  ["dorebelety", undefined],
  ["lmit", "limit"],
  ["ilmit", "limit"],
  ["lim", undefined],
  ["too", "to"],
  ["ot", "to"],
  ["t", "to"],
  ["from", undefined],
  ["maxSize", "mapSize"],
  ["mapsize", "mapSize"],
  ["maxReader", "maxReaders"],
  ["", undefined],
  ["__proto__", undefined],
];

for (const [name, nearest] of NEAREST) {
  test(`option names: nearest to "${name}" is ${nearest ?? "none"}`, () =>
    assert.equal(nearestName(name, KNOWN), nearest));
}

test("option names: of names as near as each other the first one is taken", () => {
  assert.equal(nearestName("size1", ["size2", "size3"]), "size2");
  assert.equal(nearestName("size3", ["size2", "size3"]), "size3");
});
