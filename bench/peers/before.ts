// This library as it was before the log: see scripts/bench_before.js.
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import type { Store } from "./store.ts";

/** What is used of it. It is packed without its types. */
interface BeforeModule {
  readonly LmdbPersistenceProvider: {
    open(options: { path: string; codec: unknown }): Promise<BeforeProvider>;
  };
}

interface BeforeProvider {
  createMessageJournal(): BeforeJournal;
  close(): Promise<void>;
}

interface BeforeJournal {
  append(actorId: string, message: Message): Promise<number>;
  appendBatch(actorId: string, messages: readonly Message[]): Promise<number[]>;
  readFrom(actorId: string, from: number, options: { limit: number }): Promise<unknown[]>;
  replay(actorId: string, from: number, options: { limit: number }): AsyncIterable<unknown>;
}

/** Up to so many messages are read as an array. */
const MAX_ARRAY = 1_000;

/** The journal as it was, as a contestant. */
export class BeforeStore implements Store {
  readonly name = "before the log";
  readonly kind = "peer";
  readonly #provider: BeforeProvider;
  readonly #journal: BeforeJournal;

  private constructor(provider: BeforeProvider) {
    this.#provider = provider;
    this.#journal = provider.createMessageJournal();
  }

  static async open(context: Pick<Context, "codec" | "directory">): Promise<BeforeStore> {
    const path = await context.directory("before");
    const name: string = "persistence-before/lmdb";
    const { LmdbPersistenceProvider }: BeforeModule = await import(name);
    return new BeforeStore(await LmdbPersistenceProvider.open({ path, codec: context.codec }));
  }

  append(actorId: string, message: Message): Promise<number> {
    return this.#journal.append(actorId, message);
  }

  appendBatch(actorId: string, messages: readonly Message[]): Promise<number[]> {
    return this.#journal.appendBatch(actorId, messages);
  }

  async read(actorId: string, from: number, limit: number): Promise<number> {
    if (limit <= MAX_ARRAY) return (await this.#journal.readFrom(actorId, from, { limit })).length;
    let count = 0;
    for await (const _entry of this.#journal.replay(actorId, from, { limit })) count++;
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.close();
  }
}
