// SQLite with what makes it fast and durable: WAL, synchronous=FULL, prepared statements, one
// transaction to a batch.
import { join } from "node:path";
import { setImmediate } from "node:timers";
import type { Codec } from "../../mod.ts";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import {
  loadSqlite,
  type SqliteDatabase,
  type SqliteDriver,
  type SqliteStatement,
} from "./sqlite_driver.ts";
import { Numbers, type Store } from "./store.ts";

const schema = `
  CREATE TABLE messages (
    actor_id TEXT NOT NULL,
    sequence_number INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (actor_id, sequence_number)
  ) WITHOUT ROWID`;

/** So many rows are read at once, to keep memory flat. */
const PAGE_ROWS = 1_000;

interface Waiting {
  readonly actorId: string;
  readonly message: Message;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Messages in a table. */
export class SqliteStore implements Store {
  readonly name = "SQLite";
  readonly kind = "peer";
  readonly #codec: Codec;
  readonly #database: SqliteDatabase;
  readonly #begin: SqliteStatement;
  readonly #commit: SqliteStatement;
  readonly #insert: SqliteStatement;
  readonly #select: SqliteStatement;
  readonly #numbers = new Numbers();
  #waiting: Waiting[] = [];

  private constructor(codec: Codec, database: SqliteDatabase) {
    this.#codec = codec;
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#insert = database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?)");
    this.#select = database.prepare(
      "SELECT sequence_number, timestamp, payload FROM messages " +
        "WHERE actor_id = ? AND sequence_number >= ? ORDER BY sequence_number LIMIT ?",
    );
  }

  static async open(context: Context): Promise<SqliteStore> {
    const database = await openDatabase(context);
    database.exec(schema);
    return new SqliteStore(context.codec, database);
  }

  /** Group commit by hand: what arrives in a turn of the event loop is one transaction. */
  append(actorId: string, message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#flush());
      this.#waiting.push({ actorId, message, resolve, reject });
    });
  }

  // deno-lint-ignore require-await
  async appendBatch(
    actorId: string,
    messages: readonly Message[],
  ): Promise<void> {
    this.#inTransaction(() => {
      for (const message of messages) this.#insertOne(actorId, message);
    });
  }

  // deno-lint-ignore require-await
  async read(actorId: string, from: number, limit: number): Promise<number> {
    let count = 0;
    while (count < limit) {
      const rows = this.#page(
        actorId,
        from + count,
        Math.min(PAGE_ROWS, limit - count),
      );
      for (const { payload } of rows) this.#codec.decode(payload);
      count += rows.length;
      if (rows.length < PAGE_ROWS) break;
    }
    return count;
  }

  /** Copies the database, without free pages, into a file that does not exist. */
  // deno-lint-ignore require-await
  async copyTo(path: string): Promise<void> {
    this.#database.exec(`VACUUM INTO '${path}'`);
  }

  /** What SQLite itself checks: its pages, and that tables and indices agree. */
  // deno-lint-ignore require-await
  async checkIntegrity(): Promise<void> {
    const [row] = this.#database.prepare("PRAGMA integrity_check").all();
    if (!JSON.stringify(row).includes("ok")) throw new Error(JSON.stringify(row));
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }

  #page(
    actorId: string,
    from: number,
    limit: number,
  ): { payload: Uint8Array }[] {
    return this.#select.all(actorId, from, limit) as { payload: Uint8Array }[];
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      this.#inTransaction(() => {
        for (const { actorId, message } of waiting) {
          this.#insertOne(actorId, message);
        }
      });
      for (const { resolve } of waiting) resolve();
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  #insertOne(actorId: string, message: Message): void {
    const number = this.#numbers.take(actorId);
    this.#insert.run(actorId, number, Date.now(), this.#codec.encode(message));
  }

  #inTransaction(work: () => void): void {
    this.#begin.run();
    try {
      work();
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
    this.#commit.run();
  }
}

let loading: Promise<SqliteDriver> | undefined;

/** The driver for this runtime, loaded once. */
export function sqliteDriver(context: Context): Promise<SqliteDriver> {
  loading ??= loadSqlite((peer, reason) => context.tellUnavailable(peer, reason));
  return loading;
}

/** Opens a new database, as durable as ours. */
export async function openDatabase(context: Context): Promise<SqliteDatabase> {
  const { open } = await sqliteDriver(context);
  const database = open(join(await context.directory("sqlite"), "messages.db"));
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  return database;
}
