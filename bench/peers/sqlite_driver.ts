// SQLite as the runtime has it: `bun:sqlite` on Bun, `node:sqlite` on Deno, and on Node the package
// `better-sqlite3`, or `node:sqlite` where that could not be installed.
import { runtime } from "../runtime.ts";

/** A prepared statement. The three drivers have these methods in common. */
export interface SqliteStatement {
  run(...parameters: SqliteValue[]): unknown;
  get(...parameters: SqliteValue[]): unknown;
  all(...parameters: SqliteValue[]): unknown[];
}

/** An open database. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

/** What can be bound to a parameter. */
export type SqliteValue = string | number | Uint8Array;

/** How databases are opened. */
export interface SqliteDriver {
  readonly name: string;
  open(path: string): SqliteDatabase;
}

type Constructor = new (path: string) => SqliteDatabase;

/** Loads the driver for this runtime. */
export async function loadSqlite(
  tellUnavailable: (peer: string, reason: string) => void,
): Promise<SqliteDriver> {
  if (runtime === "bun") {
    // Bun's own types check this file, and no others may look for it: see tsconfig.bun.json.
    const { bunSqlite } = await load<{ bunSqlite: SqliteDriver }>("./sqlite_bun.ts");
    return bunSqlite;
  }
  if (runtime === "node") {
    try {
      const { default: Database } = await load<{ default: Constructor }>(
        "better-sqlite3",
      );
      // Its native part is loaded only now.
      new Database(":memory:").close();
      return driver("better-sqlite3", Database);
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
      tellUnavailable(
        "better-sqlite3",
        `${reason}. node:sqlite takes its place`,
      );
    }
  }
  const { DatabaseSync } = await load<{ DatabaseSync: Constructor }>(
    "node:sqlite",
  );
  return driver("node:sqlite", DatabaseSync);
}

function driver(name: string, Database: Constructor): SqliteDriver {
  return { name, open: (path) => new Database(path) };
}

/** A type checker must not look for them: none is there on all runtimes. */
async function load<Module>(specifier: string): Promise<Module> {
  return await import(specifier);
}
