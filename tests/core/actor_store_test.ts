import assert from "node:assert/strict";
import { MemoryPersistenceProvider } from "../../adapters/memory.ts";
import type { PreparedEntries } from "../../core/ports/actor_store.ts";
import { test } from "../harness.ts";

test("actor store: an entry that is encoded while another one is stays out of it", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const store = provider.createActorStore<{ readonly text: string }, unknown>({ kind: "test" });
  const prepare = (text: string) => store.prepareEntries("1", [{ text }], {});
  const inner: PreparedEntries[] = [];
  for (let index = 0; index < 3; index++) {
    const outer = store.prepareEntries("1", [{
      get text() {
        // Large enough that it sometimes needs new memory.
        if (inner.length <= index) inner.push(prepare(`inner ${"x".repeat(30_000)}`));
        return `outer ${index}`;
      },
    }], {});
    await store.append("1", [outer], index);
  }
  const entries = await store.journal.readFrom("1", 0);
  assert.deepEqual(entries.map(({ message }) => message.text), ["outer 0", "outer 1", "outer 2"]);
});

test("actor store: an entry that is encoded while an effect is leaves the events alone", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const store = provider.createActorStore<string, unknown>({ kind: "test" });
  const effect = {
    get text() {
      store.prepareEntries("1", ["x".repeat(70_000)], {});
      return "effect";
    },
  };
  const entries = store.prepareEntries("1", ["one", "two"], { effects: [effect] });
  await store.append("1", [entries], 0);
  const stored = await store.journal.readFrom("1", 0);
  assert.deepEqual(stored.map(({ message }) => message), ["one", "two"]);
});
