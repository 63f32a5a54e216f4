// What every workload gets: how much to do, where, and what it may compare with.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Codec, MessagePackCodec } from "../mod.ts";
import { makeMessages, type Message, type MessageBytes } from "./messages.ts";

/** What every workload gets. */
export interface Context {
  /** Whether all workloads together must be done within a minute. */
  readonly quick: boolean;
  /** The codec of all contestants. */
  readonly codec: Codec;
  /** The messages of a size, made when they are first asked for. */
  messages(bytes: MessageBytes): readonly Message[];
  /** A new directory, on the disk that the checkout is on. */
  directory(name: string): Promise<string>;
  /** Says that a peer is not measured, and why. Once per reason. */
  tellUnavailable(peer: string, reason: string): void;
}

/** The context of a run. */
export class Run implements Context, AsyncDisposable {
  readonly quick: boolean;
  readonly codec: Codec = new MessagePackCodec();
  /** Peers that were not measured, and why. */
  readonly unavailable: Map<string, string> = new Map();
  /** Where the databases of this run are. Not the temporary directory, which may be in memory. */
  readonly base: string = fileURLToPath(
    new URL(`../.tmp/bench-${process.pid}/`, import.meta.url),
  );
  readonly #pools = new Map<MessageBytes, Message[]>();
  #directories = 0;

  constructor(quick: boolean) {
    this.quick = quick;
  }

  messages(bytes: MessageBytes): readonly Message[] {
    const known = this.#pools.get(bytes);
    if (known) return known;
    const made = makeMessages(bytes);
    this.#pools.set(bytes, made);
    return made;
  }

  async directory(name: string): Promise<string> {
    const path = join(this.base, `${this.#directories++}-${name}`);
    await mkdir(path, { recursive: true });
    return path;
  }

  tellUnavailable(peer: string, reason: string): void {
    if (this.unavailable.has(peer)) return;
    this.unavailable.set(peer, reason);
    console.error(`${peer} is not measured: ${reason}`);
  }

  /** Removes what a workload has written. */
  async clear(): Promise<void> {
    await rm(this.base, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clear();
  }
}
