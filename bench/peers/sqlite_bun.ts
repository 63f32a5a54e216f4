// SQLite as Bun has it. Only Bun's own types know it: see tsconfig.bun.json.
import { Database } from "bun:sqlite";
import type { SqliteDriver } from "./sqlite_driver.ts";

/** `bun:sqlite`. */
export const bunSqlite: SqliteDriver = {
  name: "bun:sqlite",
  open: (path) => new Database(path),
};
