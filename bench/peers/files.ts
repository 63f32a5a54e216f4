// Plain files: all messages in one, and each message in one of its own.
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Codec } from "../../mod.ts";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import { Numbers } from "./store.ts";

/** The limit of any store: the bytes go one after the other into a file, with a flush per batch. */
export class FileAppend implements AsyncDisposable {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(context: Context): Promise<FileAppend> {
    const path = join(await context.directory("file"), "messages");
    return new FileAppend(await open(path, "a"));
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes);
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** One file for each message. */
export class OneFilePerMessage {
  readonly #codec: Codec;
  readonly #path: string;
  readonly #numbers = new Numbers();
  readonly #known = new Set<string>();

  private constructor(codec: Codec, path: string) {
    this.#codec = codec;
    this.#path = path;
  }

  static async open(context: Context): Promise<OneFilePerMessage> {
    return new OneFilePerMessage(
      context.codec,
      await context.directory("one-file"),
    );
  }

  /** A file is durable when its directory is, too. */
  async append(actorId: string, message: Message): Promise<void> {
    const directory = await this.#directoryOf(actorId);
    const number = String(this.#numbers.take(actorId)).padStart(16, "0");
    const bytes = this.#codec.encode(message).slice();
    await using file = await open(join(directory, `${number}.msgpack`), "wx");
    await file.write(bytes);
    await file.datasync();
    await using parent = await open(directory, "r");
    await parent.sync();
  }

  async #directoryOf(actorId: string): Promise<string> {
    const path = join(this.#path, encodeURIComponent(actorId));
    if (!this.#known.has(path)) await mkdir(path, { recursive: true });
    this.#known.add(path);
    return path;
  }
}
