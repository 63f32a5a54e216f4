// What the tests of test runners and the programs that are bundled have in common. It runs on Node
// 20, which has no `await using`.
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventSourced, StatefulActors } from "@cajun/persistence";
import { MsgpackrCodec } from "@cajun/persistence/msgpackr";
import { LmdbPersistenceProvider } from "@cajun/persistence/node";

/**
 * Creates a database, opens it again, and writes and reads what such a runner makes in another realm
 * or with fake timers.
 */
export async function useStore() {
  const directory = await mkdtemp(join(tmpdir(), "persistence-tools-"));
  try {
    for (const codec of [undefined, new MsgpackrCodec()]) await useProvider(directory, codec);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function useProvider(directory, codec) {
  const path = join(directory, "new", "data");
  const provider = await LmdbPersistenceProvider.open({ path, ...(codec && { codec }) });
  try {
    await useJournal(provider);
    await useActors(provider);
  } finally {
    await provider.close();
  }
}

async function useJournal(provider) {
  const journal = provider.createMessageJournal();
  const message = { now: new Date(), map: new Map([[1, new Set([2])]]), list: [{ a: 1 }] };
  const at = await journal.append("a", structuredClone(message), { metadata: { by: "a test" } });
  const digest = createHash("sha1").update("a").digest();
  await journal.append("a", { digest });
  const [first, second] = await journal.readFrom("a", at);
  expect(first.message.now instanceof Date, "a Date comes back");
  expect(first.message.now.getTime() === message.now.getTime(), "the time comes back");
  expect(first.message.map.get(1).has(2), "a Map and a Set come back");
  expect(JSON.stringify(first.message.list) === '[{"a":1}]', "arrays and objects come back");
  expect(second.message.digest instanceof Uint8Array, "bytes come back");
  expect(second.message.digest.every((byte, index) => byte === digest[index]), "the same ones");
}

async function useActors(provider) {
  const counter = eventSourced({
    initialState: 0,
    handle: (_count, add) => ({
      events: [{ add, at: new Date() }],
      effects: [`added ${add}`],
      reply: (count) => count,
    }),
    apply: (count, { add }) => count + add,
  });
  const delivered = [];
  const outbox = { deliver: (effect) => void delivered.push(effect) };
  const actors = StatefulActors.start({ provider, kind: "counter", behavior: counter, outbox });
  const before = await actors.ask("c", 1);
  expect(await actors.ask("c", 2) === before + 2, "the actor counts");
  await actors.outbox.drained();
  expect(delivered.length === 2, "effects are delivered");
  await actors.stop();
}

function expect(isTrue, what) {
  if (!isTrue) throw new Error(`Not so: ${what}`);
}
