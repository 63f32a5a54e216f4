// The package `lmdb` as it comes, but with settings that make an acknowledged put durable: one
// record for each message.
import { open, type RootDatabase } from "lmdb";
import type { Codec } from "../../mod.ts";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import { Numbers, type Store } from "./store.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** Messages under the actor's id and their number. */
export class RawLmdbStore implements Store {
  readonly name = "raw lmdb";
  readonly kind = "peer";
  readonly #codec: Codec;
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #numbers = new Numbers();
  readonly #prefixes = new Map<string, Bytes>();

  private constructor(
    codec: Codec,
    root: RootDatabase<Uint8Array, Uint8Array>,
  ) {
    this.#codec = codec;
    this.#root = root;
  }

  static async open(context: Context): Promise<RawLmdbStore> {
    const path = await context.directory("raw-lmdb");
    const root = open<Uint8Array, Uint8Array>({
      path,
      noSubdir: false,
      encoding: "binary",
      keyEncoding: "binary",
      overlappingSync: false,
      eventTurnBatching: false,
    });
    return new RawLmdbStore(context.codec, root);
  }

  append(actorId: string, message: Message): Promise<unknown> {
    return this.#put(actorId, this.#numbers.take(actorId), message);
  }

  /** Stores a message and the actor's next number, as a durable count must. */
  appendWithHead(actorId: string, message: Message): Promise<unknown> {
    const number = this.#numbers.take(actorId);
    const head = new Uint8Array(8);
    writeNumber(head, 0, number + 1);
    // Puts take effect in order: the second one's promise tells of both.
    this.#put(actorId, number, message).catch(() => {});
    return this.#root.put(this.#prefix(actorId), head);
  }

  appendBatch(actorId: string, messages: readonly Message[]): Promise<unknown> {
    return this.#root.batch(() => {
      for (const message of messages) this.append(actorId, message);
    });
  }

  // deno-lint-ignore require-await
  async read(actorId: string, from: number, limit: number): Promise<number> {
    const start = this.#key(actorId, from);
    const end = this.#key(actorId, Number.MAX_SAFE_INTEGER);
    let count = 0;
    for (const { value } of this.#root.getRange({ start, end, limit })) {
      this.#codec.decode(value);
      count++;
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }

  /** The value is read when it is committed, so it needs memory of its own. */
  #put(actorId: string, number: number, message: Message): Promise<boolean> {
    return this.#root.put(
      this.#key(actorId, number),
      this.#codec.encode(message).slice(),
    );
  }

  #key(actorId: string, number: number): Bytes {
    const prefix = this.#prefix(actorId);
    const key = new Uint8Array(prefix.length + 8);
    key.set(prefix);
    writeNumber(key, prefix.length, number);
    return key;
  }

  #prefix(actorId: string): Bytes {
    const known = this.#prefixes.get(actorId);
    if (known) return known;
    const made = encoder.encode(`${actorId}\0`);
    this.#prefixes.set(actorId, made);
    return made;
  }
}

function writeNumber(bytes: Bytes, offset: number, number: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(offset, Math.floor(number / 2 ** 32));
  view.setUint32(offset + 4, number >>> 0);
}
