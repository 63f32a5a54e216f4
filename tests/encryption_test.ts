import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { EncryptingCodec, type EncryptionKey, KeyRing } from "../adapters/encryption/mod.ts";
import { LmdbPersistenceProvider } from "../adapters/lmdb/mod.ts";
import { MemoryDatabase, MemoryPersistenceProvider } from "../adapters/memory.ts";
import {
  commandSourced,
  eventSourced,
  JsonCodec,
  MessagePackCodec,
  PersistenceError,
  recover,
  StatefulActors,
} from "../mod.ts";
import { anyRichValue, assertSurvivesDamage, transfer } from "./codec_checks.ts";
import { randomFrom } from "./conformance/random.ts";
import { assertSameValue } from "./conformance/same_value.ts";
import { richValues } from "./conformance/values.ts";
import { test } from "./harness.ts";
import { inputs } from "./repetitions.ts";
import { withDirectory } from "./temporary_directory.ts";

const PLACE = { kind: "patient", actorId: "ada" };

function keyOf(id: string): EncryptionKey {
  return { id, key: crypto.getRandomValues(new Uint8Array(32)) };
}

function codecWith(keys: KeyRing): EncryptingCodec {
  return new EncryptingCodec(new MessagePackCodec(), keys);
}

/** A key for each actor, made when it is first needed. Keys that are dropped are named anew. */
class ActorKeys {
  readonly #ids = new Map<string, string>();
  readonly #keys = new Map<string, Uint8Array>();

  encryptionKey({ kind, actorId }: { kind: string; actorId: string }): EncryptionKey {
    const id = this.#ids.get(`${kind}/${actorId}`) ?? crypto.randomUUID();
    const key = this.#keys.get(id) ?? keyOf(id).key;
    this.#ids.set(`${kind}/${actorId}`, id);
    this.#keys.set(id, key);
    return { id, key };
  }

  decryptionKey(id: string): Uint8Array | undefined {
    return this.#keys.get(id);
  }

  drop(actor: string): void {
    this.#keys.delete(this.#ids.get(actor) ?? "");
    this.#ids.delete(actor);
  }
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof PersistenceError ? error.code : "no code";
  }
  return "no error";
}

test("EncryptingCodec: any value comes back", () => {
  const codec = codecWith(new KeyRing([keyOf("1")]));
  for (const [name, value] of richValues) {
    assertSameValue(transfer(codec, codec, value), value, name);
  }
  const comesBack = (value: unknown) =>
    assertSameValue(transfer(codec, codec, value), value, "the value");
  fc.assert(fc.property(anyRichValue, comesBack), { numRuns: inputs.values });
});

test("EncryptingCodec: damaged bytes give an error, and nothing else", () => {
  assertSurvivesDamage(codecWith(new KeyRing([keyOf("1")])), inputs.damaged);
});

test("EncryptingCodec: no byte can be changed, left out or added", () => {
  const codec = codecWith(new KeyRing([keyOf("key")]));
  const bytes = codec.encode({ diagnosis: "cold" }, PLACE);
  for (let index = 0; index < bytes.length; index++) {
    for (const bit of [1, 128]) {
      const changed = bytes.slice();
      changed[index] = (changed[index] ?? 0) ^ bit;
      assert.throws(() => codec.decode(changed, PLACE), `byte ${index}`);
    }
    assert.throws(() => codec.decode(bytes.subarray(0, index), PLACE), `${index} bytes`);
  }
  assert.throws(() => codec.decode(Uint8Array.of(...bytes, 0), PLACE));
  assert.deepEqual(codec.decode(bytes, PLACE), { diagnosis: "cold" });
});

test("EncryptingCodec: a value belongs to its actor", () => {
  const codec = codecWith(new KeyRing([keyOf("key")]));
  const bytes = codec.encode("cold", PLACE);
  for (
    const place of [
      { kind: "patient", actorId: "bob" },
      { kind: "doctor", actorId: "ada" },
      { kind: "patienta", actorId: "da" },
      { kind: "", actorId: "patientada" },
      undefined,
    ]
  ) {
    assert.throws(() => codec.decode(bytes, place), JSON.stringify(place));
  }
});

test("EncryptingCodec: nothing is encrypted alike twice, and nothing of it shows", () => {
  const codec = codecWith(new KeyRing([keyOf("key")]));
  const all = new Set(
    Array.from({ length: 1_000 }, () => Array.from(codec.encode("secret", PLACE)).join()),
  );
  assert.equal(all.size, 1_000);
  const text = new TextDecoder("latin1").decode(codec.encode("secret", PLACE));
  assert.ok(!text.includes("secret"));
});

test("EncryptingCodec: a rotation, and a key that is dropped", () => {
  const keys = new KeyRing([keyOf("1")]);
  const codec = codecWith(keys);
  const first = codec.encode("one", PLACE);
  keys.add(keyOf("2"));
  const second = codec.encode("two", PLACE);
  assert.deepEqual([codec.decode(first, PLACE), codec.decode(second, PLACE)], ["one", "two"]);
  keys.drop("1");
  assert.equal(codeOf(() => codec.decode(first, PLACE)), "ERASED");
  assert.equal(codec.decode(second, PLACE), "two");
  keys.drop("2");
  assert.equal(codeOf(() => codec.decode(second, PLACE)), "ERASED");
  assert.throws(() => codec.encode("three", PLACE), /add another one/);
  assert.throws(() => keys.add(keyOf("1")), /there is, or was/);
});

test("EncryptingCodec: a key that is not known is no key that was dropped", () => {
  const bytes = codecWith(new KeyRing([keyOf("1")])).encode("one", PLACE);
  const others = new KeyRing([keyOf("2")]);
  assert.throws(() => codecWith(others).decode(bytes, PLACE), /there is no key with the id "1"/);
  others.drop("1");
  assert.equal(codeOf(() => codecWith(others).decode(bytes, PLACE)), "ERASED");
  assert.throws(() => codecWith(new KeyRing([keyOf("1")])).decode(bytes, PLACE), /another key/);
});

test("EncryptingCodec: what is no key, or no key provider, is refused", () => {
  const bad: unknown[] = [
    undefined,
    { id: "1" },
    { id: 1, key: new Uint8Array(32) },
    { id: "", key: new Uint8Array(32) },
    { id: "\ud800", key: new Uint8Array(32) },
    { id: "x".repeat(256), key: new Uint8Array(32) },
    { id: "1", key: new Uint8Array(31) },
    { id: "1", key: "x".repeat(32) },
  ];
  for (const key of bad) {
    assert.equal(codeOfInvalid(() => new KeyRing([key as EncryptionKey])), "INVALID_ARGUMENT");
    const keys = { encryptionKey: () => key as EncryptionKey, decryptionKey: () => undefined };
    assert.throws(() => new EncryptingCodec(new JsonCodec(), keys).encode(1, PLACE));
  }
  const noKeys = {} as unknown as KeyRing;
  const noCodec = {} as unknown as JsonCodec;
  assert.equal(codeOfInvalid(() => codecWith(noKeys)), "INVALID_ARGUMENT");
  assert.equal(
    codeOfInvalid(() => new EncryptingCodec(noCodec, new KeyRing())),
    "INVALID_ARGUMENT",
  );
});

function codeOfInvalid(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return Reflect.get(error as object, "code");
  }
  return "no error";
}

test("encryption: a key provider that fails loses nothing, and refuses what it must", async () => {
  let failure: Error | undefined;
  const ring = new KeyRing([keyOf("1")]);
  const keys = {
    encryptionKey() {
      if (failure) throw failure;
      return ring.encryptionKey();
    },
    decryptionKey(id: string) {
      if (failure) throw failure;
      return ring.decryptionKey(id);
    },
  };
  const codec = new EncryptingCodec(new MessagePackCodec(), keys);
  await using provider = await MemoryPersistenceProvider.open({ codec });
  const journal = provider.createMessageJournal<string>();
  await journal.append("1", "one");
  failure = new Error("the vault is closed");
  await assert.rejects(
    journal.append("1", "two"),
    (error: PersistenceError) => error.code === "UNENCODABLE" && /vault/.test(error.message),
  );
  await assert.rejects(
    journal.readFrom("1", 0),
    (error: PersistenceError) => error.code === "CORRUPT" && error.sequenceNumber === 0,
  );
  failure = undefined;
  assert.equal(await journal.append("1", "two"), 1);
  assert.deepEqual((await journal.readFrom("1", 0)).map(({ message }) => message), ["one", "two"]);
});

test("encryption: entries of a key that was dropped keep their numbers", async () => {
  const keys = new ActorKeys();
  const codec = new EncryptingCodec(new MessagePackCodec(), keys);
  await using provider = await MemoryPersistenceProvider.open({ codec });
  const journal = provider.createMessageJournal<string>({
    kind: "patient",
    schema: { name: "note", version: 1 },
  });
  await journal.append("ada", "cold", { metadata: { doctor: "bob" } });
  await journal.append("ada", "well");
  await journal.append("eve", "flu");
  keys.drop("patient/ada");
  const entries = await journal.readFrom("ada", 0);
  assert.deepEqual(
    entries.map(({ sequenceNumber, message, isErased, metadata, schema }) => ({
      sequenceNumber,
      message,
      isErased,
      metadata,
      schema,
    })),
    [0, 1].map((sequenceNumber) => ({
      sequenceNumber,
      message: undefined,
      isErased: true,
      metadata: undefined,
      schema: { name: "note", version: 1 },
    })),
  );
  const [other] = await journal.readFrom("eve", 0);
  assert.deepEqual([other?.message, other?.isErased], ["flu", undefined]);
  // With a new key the journal goes on.
  assert.equal(await journal.append("ada", "back again"), 2);
  const replayed: unknown[] = [];
  for await (const { message } of journal.replay("ada", 0)) replayed.push(message);
  assert.deepEqual(replayed, [undefined, undefined, "back again"]);
  const { entries: downwards } = await journal.read("ada", { reverse: true });
  assert.deepEqual(downwards.map(({ isErased }) => isErased), [undefined, true, true]);
});

test("encryption: a recovery passes over what was erased", async () => {
  const keys = new ActorKeys();
  const codec = new EncryptingCodec(new MessagePackCodec(), keys);
  await using provider = await MemoryPersistenceProvider.open({ codec });
  const [kind, actorId] = ["patient", "ada"];
  const journal = provider.createMessageJournal<number>({ kind });
  const snapshots = provider.createSnapshotStore<number>({ kind });
  const recovered = async () => {
    const { state, replayed, erased, snapshot, sequenceNumber } = await recover({
      journal,
      snapshots,
      actorId,
      initialState: 0,
      apply: (sum: number, amount) => sum + amount,
    });
    return { state, replayed, erased, snapshot: snapshot?.sequenceNumber, sequenceNumber };
  };
  await journal.appendBatch(actorId, [1, 2, 3]);
  await snapshots.saveSnapshot(actorId, 6, 2);
  keys.drop("patient/ada");
  const lost = { state: 0, replayed: 3, erased: 3, snapshot: undefined, sequenceNumber: 2 };
  assert.deepEqual(await recovered(), lost);
  assert.equal((await snapshots.getLatestSnapshot(actorId))?.isErased, true);

  await journal.appendBatch(actorId, [10, 20]);
  assert.deepEqual(await recovered(), {
    state: 30,
    replayed: 5,
    erased: 3,
    snapshot: undefined,
    sequenceNumber: 4,
  });
  await snapshots.saveSnapshot(actorId, 30, 4);
  await journal.truncateBefore(actorId, 5);
  assert.deepEqual(await recovered(), {
    state: 30,
    replayed: 0,
    erased: 0,
    snapshot: 4,
    sequenceNumber: 4,
  });

  // Now all that there is up to 4 is a snapshot that was erased.
  keys.drop("patient/ada");
  await journal.append(actorId, 100);
  assert.deepEqual(await recovered(), {
    state: 100,
    replayed: 1,
    erased: 0,
    snapshot: undefined,
    sequenceNumber: 5,
  });
});

test("encryption: an older snapshot that can be read is better than none", async () => {
  const keys = new KeyRing([keyOf("1")]);
  await using provider = await MemoryPersistenceProvider.open({ codec: codecWith(keys) });
  const journal = provider.createMessageJournal<number>();
  const snapshots = provider.createSnapshotStore<number>();
  await journal.appendBatch("1", [1, 2, 3]);
  await snapshots.saveSnapshot("1", 3, 1);
  keys.add(keyOf("2"));
  await snapshots.saveSnapshot("1", 6, 2);
  await journal.append("1", 4);
  keys.drop("2");
  const { state, snapshot, erased } = await recover({
    journal,
    snapshots,
    actorId: "1",
    initialState: 0,
    apply: (sum: number, amount) => sum + amount,
  });
  assert.deepEqual([state, snapshot?.sequenceNumber, erased], [6, 1, 1]);
});

test("encryption: an entry that is missing is no entry that was erased", async () => {
  const keys = new KeyRing([keyOf("1")]);
  await using provider = await MemoryPersistenceProvider.open({ codec: codecWith(keys) });
  const journal = provider.createMessageJournal<number>();
  await journal.appendBatch("1", [1, 2, 3]);
  await journal.truncateBefore("1", 1);
  keys.drop("1");
  await assert.rejects(
    recover({ journal, actorId: "1", initialState: 0, apply: (sum: number) => sum }),
    (error: PersistenceError) => error.code === "RECOVERY_FAILED",
  );
});

test("encryption: actors go on after their key was dropped, with event sourcing", async () => {
  const keys = new ActorKeys();
  const codec = new EncryptingCodec(new MessagePackCodec(), keys);
  const database = new MemoryDatabase();
  const problems: string[] = [];
  const restart = async (deliver: (effect: number) => void) => {
    const provider = await MemoryPersistenceProvider.open({ codec, database });
    const actors = await StatefulActors.start({
      provider,
      kind: "patient",
      behavior: eventSourced({
        initialState: 0,
        handle: (_sum: number, amount: number) => ({
          events: [amount],
          effects: [amount],
          reply: (sum: number) => sum,
        }),
        apply: (sum: number, amount: number) => sum + amount,
      }),
      outbox: { deliver, initialDelayMs: 1, maxDelayMs: 1, maxAttempts: 1_000 },
      onProblem: ({ type }) => void problems.push(type),
    });
    return { provider, actors };
  };
  const first = await restart(() => {
    throw new Error("not now");
  });
  assert.equal(await first.actors.ask("ada", 5), 5);
  assert.equal(await first.actors.ask("ada", 6), 11);
  assert.equal(await first.actors.ask("eve", 7), 7);
  await first.actors.stop();
  await first.provider.close();

  keys.drop("patient/ada");
  problems.length = 0;
  const delivered: number[] = [];
  const second = await restart((effect) => void delivered.push(effect));
  assert.equal(await second.actors.ask("ada", 1), 1);
  assert.equal(await second.actors.ask("eve", 1), 8);
  await second.actors.outbox.drained();
  assert.deepEqual(delivered.sort(), [1, 1, 7]);
  assert.deepEqual(problems, ["dead-letter", "dead-letter"]);
  const letters = [];
  for await (const letter of second.actors.outbox.deadLetters()) letters.push(letter.lastError);
  assert.ok(letters.length === 2 && letters.every((error) => /was erased/.test(error)));
  await second.actors.stop();
  await second.provider.close();
});

test("encryption: actors go on after their key was dropped, with command sourcing", async () => {
  const keys = new ActorKeys();
  const codec = new EncryptingCodec(new MessagePackCodec(), keys);
  const database = new MemoryDatabase();
  const restart = async () => {
    const provider = await MemoryPersistenceProvider.open({ codec, database });
    const actors = await StatefulActors.start({
      provider,
      kind: "patient",
      behavior: commandSourced({
        initialState: 0,
        handle: (sum: number, amount: number) => ({
          state: sum + amount,
          reply: (sum: number) => sum,
        }),
      }),
    });
    return { provider, actors };
  };
  const first = await restart();
  assert.equal(await first.actors.ask("ada", 5), 5);
  await first.actors.snapshot("ada");
  assert.equal(await first.actors.ask("ada", 6), 11);
  await first.actors.stop();
  await first.provider.close();
  keys.drop("patient/ada");
  const second = await restart();
  assert.equal(await second.actors.ask("ada", 1), 1);
  await second.actors.stop();
  await second.provider.close();
});

test("encryption: nothing of a person stands in the files, with the key or without", () =>
  withDirectory(async (path) => {
    const keys = new ActorKeys();
    const codec = new EncryptingCodec(new MessagePackCodec(), keys);
    const random = randomFrom();
    const secret = `secret-${random.below(2 ** 31)}`;
    {
      await using provider = await LmdbPersistenceProvider.open({ path, codec });
      const journal = provider.createMessageJournal<string>({ kind: "patient" });
      const snapshots = provider.createSnapshotStore<string>({ kind: "patient" });
      for (let index = 0; index < 50; index++) {
        await journal.append("ada", secret, { metadata: { note: secret } });
      }
      await snapshots.saveSnapshot("ada", secret.repeat(1_000), 49);
      await journal.append("eve", "readable");
    }
    const data = await readFile(join(path, "data.mdb"));
    assert.equal(data.includes(secret), false);
    keys.drop("patient/ada");
    await using provider = await LmdbPersistenceProvider.open({ path, codec });
    const journal = provider.createMessageJournal<string>({ kind: "patient" });
    const entries = await journal.readFrom("ada", 0);
    assert.equal(entries.length, 50);
    assert.ok(entries.every(({ isErased, message }) => isErased && message === undefined));
    assert.equal((await journal.readFrom("eve", 0))[0]?.message, "readable");
  }));
