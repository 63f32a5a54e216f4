// @event-driven-io/emmett-sqlite: an event store on SQLite. It writes JSON, whatever the codec of the
// others, and refuses to do two things at once.
import { join } from "node:path";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import { runtime } from "../runtime.ts";
import type { Store } from "./store.ts";

/** The part of an event store that is used. */
interface EventStore {
  appendToStream(streamName: string, events: readonly EmmettEvent[]): Promise<unknown>;
  readStream(
    streamName: string,
    options: { from: bigint; maxCount: bigint },
  ): Promise<{ events: readonly unknown[] }>;
}

interface EmmettEvent {
  readonly type: string;
  readonly data: Message;
}

interface EmmettModule {
  getSQLiteEventStore(options: { fileName: string }): EventStore;
}

/**
 * On a busy machine a commit may come before the package has finalized a statement of its own. SQLite
 * then refuses it, and all is rolled back, so a user would have to try again as well.
 */
const MAX_ATTEMPTS = 10;

/** Messages as events, each actor with a stream. */
export class EmmettStore implements Store {
  readonly name = "emmett-sqlite";
  readonly kind = "peer";
  readonly #events: EventStore;

  private constructor(events: EventStore) {
    this.#events = events;
  }

  /** Opens a database, or answers undefined where its package cannot be used, and tells why. */
  static async open(context: Context): Promise<EmmettStore | undefined> {
    if (runtime === "bun") {
      const reason = "on Bun its appends fail now and then: SQLITE_BUSY, statements in progress";
      context.tellUnavailable("emmett-sqlite", reason);
      return undefined;
    }
    try {
      // A type checker must not look for it: it is installed for the bench only.
      const specifier: string = "@event-driven-io/emmett-sqlite";
      const { getSQLiteEventStore }: EmmettModule = await import(specifier);
      const fileName = join(await context.directory("emmett"), "events.db");
      return new EmmettStore(getSQLiteEventStore({ fileName }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      context.tellUnavailable("emmett-sqlite", reason.split("\n")[0] ?? reason);
      return undefined;
    }
  }

  append(actorId: string, message: Message): Promise<unknown> {
    return this.appendBatch(actorId, [message]);
  }

  async appendBatch(actorId: string, messages: readonly Message[]): Promise<unknown> {
    const events = messages.map((data) => ({ type: "message", data }));
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#events.appendToStream(actorId, events);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isBusy(error)) throw error;
      }
    }
  }

  async read(actorId: string, from: number, limit: number): Promise<number> {
    const range = { from: BigInt(from), maxCount: BigInt(limit) };
    return (await this.#events.readStream(actorId, range)).events.length;
  }

  /** It opens the file for each call anew, so there is nothing to close. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "SQLITE_BUSY";
}
