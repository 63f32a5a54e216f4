// Which versions of what are compared.
import { readFile } from "node:fs/promises";
import type { Context } from "./context.ts";
import { sqliteDriver } from "./peers/sqlite.ts";

const PACKAGES = [
  "@cajun/persistence",
  "lmdb",
  "@msgpack/msgpack",
  "better-sqlite3",
  "classic-level",
  "@event-driven-io/emmett-sqlite",
  "hyparquet",
  "mitata",
];

/** The versions of the packages that are installed, and of the SQLite that is compared with. */
export async function readVersions(context: Context): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of PACKAGES) {
    const version = await versionOf(name);
    if (version !== undefined) versions[name] = version;
  }
  const driver = await sqliteDriver(context);
  const database = driver.open(":memory:");
  const row = database.prepare("SELECT sqlite_version() AS version").get() as { version: string };
  database.close();
  return { ...versions, SQLite: `${row.version} in ${driver.name}` };
}

async function versionOf(name: string): Promise<string | undefined> {
  const directories = name === "@cajun/persistence"
    ? ["../"]
    : [`./node_modules/${name}/`, `../node_modules/${name}/`];
  for (const directory of directories) {
    try {
      const url = new URL(`${directory}package.json`, import.meta.url);
      const { version }: { version: string } = JSON.parse(await readFile(url, "utf8"));
      return version;
    } catch {
      // It is in the other directory, or not installed: then it is told of as unavailable.
    }
  }
  return undefined;
}
