import assert from "node:assert/strict";
import type { SchemaVersion, StoredPlace, UnknownValue } from "../../../core/ports/schema.ts";
import { assertFails, casesOf, outcomesOf, range } from "../fixture.ts";
import {
  type Cart,
  CART_STATE,
  CART_STATE_V1,
  storedAs,
  textSchema,
  withChange,
} from "./fixture.ts";
import { keptOf, withSnapshots } from "../snapshots/fixture.ts";
import { EVERYTHING } from "../storage/fixture.ts";
import type { ConformanceOptions } from "../types.ts";

/** Registers the cases about snapshots whose states are of old and new versions. */
export function describeSnapshotSchema(options: ConformanceOptions): void {
  const check = casesOf(options, "snapshot schema", withSnapshots());
  const limited = casesOf(
    options,
    "snapshot schema",
    withSnapshots({}, { maxSnapshotBytes: 20 }),
  );

  check("a state comes back with what it was stored as", async (_, { provider }) => {
    const snapshots = provider.createSnapshotStore({ schema: CART_STATE });
    const cart = { skus: ["ink"], cents: 350 };
    await snapshots.saveSnapshot("a", cart, 4);
    const { timestamp, ...rest } = await snapshots.getLatestSnapshot("a") ?? assert.fail();
    const schema = storedAs("cart", 2);
    assert.deepEqual(rest, { actorId: "a", state: cart, sequenceNumber: 4, schema });
    assert.ok(timestamp instanceof Date);
  });

  check("an old state is upcast, and the stored one stays as it is", async (_, scene) => {
    const { provider, storage } = scene;
    const old = provider.createSnapshotStore({ schema: CART_STATE_V1 });
    await old.saveSnapshot("a", { skus: ["ink"], total: 3.5 }, 4);
    const before = await storage.scan("snapshots", EVERYTHING);
    const snapshots = provider.createSnapshotStore({ schema: CART_STATE });
    const latest = await snapshots.getLatestSnapshot("a");
    assert.deepEqual([latest?.state, latest?.schema], [
      { skus: ["ink"], cents: 350 },
      storedAs("cart", 1),
    ]);
    assert.deepEqual(await storage.scan("snapshots", EVERYTHING), before);
  });

  check("generations share an actor's snapshots: the newest few are kept", async (_, scene) => {
    const { provider } = scene;
    for (const version of range(1, 5)) {
      await provider.createSnapshotStore({ schema: textSchema(version) })
        .saveSnapshot("a", `${version}`, version);
    }
    const newest = provider.createSnapshotStore({ schema: textSchema(5) });
    assert.deepEqual(await keptOf(newest), [5, 4, 3]);
    const states = [5, 4, 3].map(async (maxSequenceNumber) =>
      (await newest.getLatestSnapshot("a", { maxSequenceNumber }))?.state
    );
    assert.deepEqual(await Promise.all(states), ["5", "4 → 5", "3 → 4 → 5"]);
    await newest.deleteSnapshots("a", { maxTimestamp: new Date(Date.now() + 1_000) });
    assert.deepEqual(await keptOf(newest), []);
  });

  check("a state that cannot be brought to today is an error, an older one can be had", async (
    _,
    { provider },
  ) => {
    await provider.createSnapshotStore({ schema: textSchema(1) }).saveSnapshot("a", "x", 1);
    await provider.createSnapshotStore({ schema: textSchema(9) }).saveSnapshot("a", "y", 2);
    const reason = new Error("no");
    const fails: [Parameters<typeof withChange<string>>[1], string][] = [
      [
        { version: 9, upcasters: {}, validator: CART_STATE.validator as never },
        "VALIDATION_FAILED",
      ],
      [{}, "UNKNOWN_SCHEMA"],
      [{ name: "other" }, "UNKNOWN_SCHEMA"],
      [{
        version: 10,
        upcasters: {
          9: () => {
            throw reason;
          },
        },
      }, "UPCAST_FAILED"],
    ];
    for (const [change, code] of fails) {
      const snapshots = provider.createSnapshotStore({ schema: withChange(textSchema(5), change) });
      await assertFails(() => snapshots.getLatestSnapshot("a"), code as "UPCAST_FAILED", {
        actorId: "a",
        sequenceNumber: 2,
      });
    }
    const snapshots = provider.createSnapshotStore({ schema: textSchema(2) });
    const older = await snapshots.getLatestSnapshot("a", { maxSequenceNumber: 1 });
    assert.equal(older?.state, "x → 2");
  });

  check("what was saved without a schema, and what is unknown, goes to the rules for it", async (
    plain,
    { provider },
  ) => {
    await plain.saveSnapshot("a", { skus: [], total: 2 }, 1);
    const read = async (schema: Parameters<typeof provider.createSnapshotStore<Cart>>[0]) =>
      (await provider.createSnapshotStore<Cart>(schema).getLatestSnapshot("a"))?.state;
    assert.deepEqual(await read({ schema: CART_STATE }), { skus: [], cents: 200 });
    const { unversioned: _, ...strict } = CART_STATE;
    const place = { actorId: "a", sequenceNumber: 1 };
    await assertFails(() => read({ schema: strict }), "UNKNOWN_SCHEMA", place);
    const unknown: (SchemaVersion | StoredPlace | unknown)[] = [];
    const onUnknown = (one: UnknownValue) => {
      unknown.push(one.schema, one.value);
      return { skus: ["?"], cents: 0 };
    };
    assert.deepEqual(await read({ schema: { ...strict, onUnknown } }), { skus: ["?"], cents: 0 });
    assert.deepEqual(unknown, [undefined, { skus: [], total: 2 }]);
  });

  check("a store without a schema refuses states with one", async (plain, { provider }) => {
    await provider.createSnapshotStore({ schema: textSchema(1) }).saveSnapshot("a", "x", 3);
    const call = () => plain.getLatestSnapshot("a");
    const error = await assertFails(call, "UNKNOWN_SCHEMA", { actorId: "a", sequenceNumber: 3 });
    assert.match(error.message, /version 1 of "text"/);
  });

  check("a state that is not valid is refused, and the one before stays", async (_, scene) => {
    const snapshots = scene.provider.createSnapshotStore({ schema: CART_STATE });
    await snapshots.saveSnapshot("a", { skus: [], cents: 1 }, 1);
    const invalid = { skus: [], total: 1 } as unknown as Cart;
    for (const sequenceNumber of [1, 2]) {
      assert.deepEqual(await outcomesOf([snapshots.saveSnapshot("a", invalid, sequenceNumber)]), [
        "VALIDATION_FAILED",
      ]);
    }
    assert.deepEqual((await snapshots.getLatestSnapshot("a"))?.state, { skus: [], cents: 1 });
    assert.deepEqual(await keptOf(snapshots), [1]);
  });

  limited("the name counts for the size limit", async (_, { provider }) => {
    const snapshots = provider.createSnapshotStore({ schema: textSchema(1) });
    await snapshots.saveSnapshot("a", "x".repeat(13), 1);
    const call = () => snapshots.saveSnapshot("a", "x".repeat(14), 2);
    await assertFails(call, "TOO_LARGE", { actorId: "a" });
  });
}
