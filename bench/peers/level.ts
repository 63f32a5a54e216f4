// classic-level: LevelDB, with a flush of its log at every write.
import { join } from "node:path";
import type { Codec } from "../../mod.ts";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import { Numbers, type Store } from "./store.ts";

/** The part of a database of classic-level that is used. */
interface LevelDatabase {
  open(): Promise<void>;
  put(key: string, value: Uint8Array, options: { sync: true }): Promise<void>;
  batch(changes: readonly LevelPut[], options: { sync: true }): Promise<void>;
  values(range: { gte: string; lt: string; limit: number }): LevelIterator;
  close(): Promise<void>;
}

interface LevelPut {
  readonly type: "put";
  readonly key: string;
  readonly value: Uint8Array;
}

interface LevelIterator {
  nextv(size: number): Promise<Uint8Array[]>;
  close(): Promise<void>;
}

interface LevelModule {
  ClassicLevel: new (
    path: string,
    options: { valueEncoding: "view" },
  ) => LevelDatabase;
}

/** So many entries are read at once, to keep memory flat. */
const PAGE_ENTRIES = 1_000;

/** Messages under the actor's id and their number. */
export class LevelStore implements Store {
  readonly name = "classic-level";
  readonly kind = "peer";
  readonly #codec: Codec;
  readonly #database: LevelDatabase;
  readonly #numbers = new Numbers();

  private constructor(codec: Codec, database: LevelDatabase) {
    this.#codec = codec;
    this.#database = database;
  }

  /** Opens a database, or answers undefined where its package cannot be used, and tells why. */
  static async open(context: Context): Promise<LevelStore | undefined> {
    try {
      // A type checker must not look for it: it is installed for the bench only.
      const specifier: string = "classic-level";
      const { ClassicLevel }: LevelModule = await import(specifier);
      const path = join(await context.directory("level"), "messages");
      const database = new ClassicLevel(path, { valueEncoding: "view" });
      await database.open();
      return new LevelStore(context.codec, database);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      context.tellUnavailable("classic-level", reason.split("\n")[0] ?? reason);
      return undefined;
    }
  }

  append(actorId: string, message: Message): Promise<void> {
    const { key, value } = this.#put(actorId, message);
    return this.#database.put(key, value, { sync: true });
  }

  appendBatch(actorId: string, messages: readonly Message[]): Promise<void> {
    const changes = messages.map((message) => this.#put(actorId, message));
    return this.#database.batch(changes, { sync: true });
  }

  async read(actorId: string, from: number, limit: number): Promise<number> {
    const values = this.#database.values({
      gte: keyOf(actorId, from),
      lt: `${actorId}0`,
      limit,
    });
    let count = 0;
    while (true) {
      const page = await values.nextv(PAGE_ENTRIES);
      if (page.length === 0) break;
      for (const bytes of page) this.#codec.decode(bytes);
      count += page.length;
    }
    await values.close();
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close();
  }

  /** It writes on another thread, so the value needs memory of its own. */
  #put(actorId: string, message: Message): LevelPut {
    const value = this.#codec.encode(message).slice();
    return {
      type: "put",
      key: keyOf(actorId, this.#numbers.take(actorId)),
      value,
    };
  }
}

/** "/" comes before "0", and the digits keep the order of the numbers. */
function keyOf(actorId: string, number: number): string {
  return `${actorId}/${String(number).padStart(16, "0")}`;
}
