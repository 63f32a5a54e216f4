import assert from "node:assert/strict";
import { addressIn } from "../../../core/format/actor_address.ts";
import { KEYSPACES, type Storage } from "../../../core/ports/storage.ts";
import { collectLog } from "../collect_log.ts";
import { assertFails, casesOf, withStorage } from "../fixture.ts";
import { ObservedStorage } from "../observed_storage.ts";
import { commit, EVERYTHING, put, remove as removal } from "../storage/fixture.ts";
import {
  everythingCollectedIn,
  everythingIn,
  everythingOf,
  FEW,
  fill,
  KIND,
  MODES,
  nothing,
  OF_KIND,
  openOn,
  remove,
} from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

const ACTOR = { actorId: "a", kind: KIND } as const;

/** Registers the cases about actors that are damaged. */
export function describeRemovalDamage(options: ConformanceOptions): void {
  const check = casesOf(options, "removal of damage", withStorage);

  check("an actor with damaged records can be removed", async (storage) => {
    for (const mode of MODES) {
      await using provider = await openOn(storage);
      const before = await everythingCollectedIn(storage);
      await fill(provider, FEW);
      const next = Number((await everythingOf(provider))["highest"]) + 1;
      await collectLog(storage);
      for (const keyspace of KEYSPACES) {
        if (keyspace === "heads" || keyspace === "log") continue;
        for (const { key, value, version } of await storage.scan(keyspace, EVERYTHING)) {
          if (keyspace === "meta" && !addressIn(key.subarray(1))) continue;
          await commit(storage, put(key, value.map((byte) => byte ^ 1), { keyspace, version }));
        }
      }
      await assertFails(() => everythingOf(provider), "CORRUPT");
      await remove(provider, mode);
      assert.deepEqual(await everythingOf(provider), nothing(mode === "delete" ? 0 : next));
      await provider.deleteActor("a", OF_KIND);
      assert.deepEqual(await everythingCollectedIn(storage), before);
    }
  });

  check("one whose head is damaged can be deleted, but not erased", async (storage) => {
    await using provider = await openOn(storage);
    const journal = provider.createMessageJournal<unknown>(OF_KIND);
    const before = await everythingCollectedIn(storage);
    for (const offset of [0, 4, 6, 20, 30, 40, 50, 60]) {
      await fill(provider, FEW);
      await collectLog(storage);
      await damageHead(storage, offset);
      const damaged = await everythingIn(storage);
      await assertFails(() => remove(provider, "erase"), "CORRUPT", ACTOR);
      assert.deepEqual(await everythingIn(storage), damaged);
      await remove(provider, "delete");
      assert.deepEqual(await everythingOf(provider), nothing());
      assert.deepEqual(await everythingCollectedIn(storage), before);
      assert.equal(await journal.append("a", "new"), 0);
      await remove(provider, "delete");
    }
  });

  check("one whose head is lost can be deleted, but not erased", async (storage) => {
    await using provider = await openOn(storage);
    const before = await everythingCollectedIn(storage);
    await fill(provider, FEW);
    await collectLog(storage);
    const [head] = await storage.scan("heads", EVERYTHING);
    await commit(storage, removal(head?.key ?? assert.fail(), "heads"));
    await assertFails(() => remove(provider, "erase"), "CORRUPT", ACTOR);
    await remove(provider, "delete");
    assert.deepEqual(await everythingCollectedIn(storage), before);
  });

  check("one whose head has a damaged key is left alone", async (storage) => {
    await using provider = await openOn(storage);
    await fill(provider, FEW);
    await collectLog(storage);
    const [head] = await storage.scan("heads", EVERYTHING);
    const { key, value, version } = head ?? assert.fail();
    const damaged = key.map((byte, offset) => offset === key.length - 1 ? byte ^ 1 : byte);
    const as = { keyspace: "heads", version } as const;
    await commit(storage, removal(key, "heads"), put(damaged, value, as));
    const before = await everythingIn(storage);
    for (const mode of MODES) {
      await assertFails(() => remove(provider, mode), "CORRUPT", ACTOR);
      assert.deepEqual(await everythingIn(storage), before);
    }
  });

  check("one of a newer format is left alone", async (storage) => {
    await using provider = await openOn(storage);
    await fill(provider, FEW);
    await collectLog(storage);
    const { sealEnvelope } = await import("../../../core/format/envelope.ts");
    const { HEAD_BYTES_BEFORE_TAIL } = await import("../../../core/format/head.ts");
    const [head] = await storage.scan("heads", EVERYTHING);
    const { key, value, version } = head ?? assert.fail();
    sealEnvelope(key, value, 255, HEAD_BYTES_BEFORE_TAIL);
    await commit(storage, put(key, value, { keyspace: "heads", version }));
    const before = await everythingIn(storage);
    for (const mode of MODES) {
      await assertFails(() => remove(provider, mode), "UNSUPPORTED_FORMAT", ACTOR);
    }
    assert.deepEqual(await everythingIn(storage), before);
  });

  check("if the mark of what was interrupted is damaged, the actor can be removed again", async (
    inner,
  ) => {
    for (const mode of MODES) {
      const storage = new ObservedStorage(inner);
      await using provider = await openOn(storage);
      const before = await everythingCollectedIn(inner);
      await fill(provider, FEW);
      const next = mode === "delete" ? 0 : Number((await everythingOf(provider))["highest"]) + 1;
      let commits = 0;
      storage.failCommit = () => commits++ === 0 ? undefined : new Error("so wants the test");
      await assertFails(() => remove(provider, mode), "STORAGE_FAILED");
      storage.failCommit = () => undefined;
      const meta = await inner.scan("meta", EVERYTHING);
      const { key, value, version } = meta.find(({ key }) => key[0] === 5) ?? assert.fail();
      const damaged = value.map((byte) => byte ^ 1);
      await commit(inner, put(key, damaged, { keyspace: "meta", version }));
      assert.deepEqual(await everythingOf(provider), nothing(next));
      const journal = provider.createMessageJournal<unknown>(OF_KIND);
      await assertFails(() => journal.append("a", 1), "CORRUPT", ACTOR);
      await assertFails(() => journal.startAt("a", 500), "CORRUPT", ACTOR);
      await remove(provider, mode);
      assert.deepEqual(await everythingOf(provider), nothing(next));
      assert.equal(await journal.append("a", 1), next);
      await provider.deleteActor("a", OF_KIND);
      assert.deepEqual(await everythingCollectedIn(inner), before);
    }
  });
}

async function damageHead(storage: Storage, offset: number): Promise<void> {
  const [head] = await storage.scan("heads", EVERYTHING);
  const { key, value, version } = head ?? assert.fail();
  const damaged = value.map((byte, at) => at === offset ? byte ^ 1 : byte);
  await commit(storage, put(key, damaged, { keyspace: "heads", version }));
}
