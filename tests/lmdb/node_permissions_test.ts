import assert from "node:assert/strict";
import { mkdir, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { currentRuntime, root } from "../processes/runtimes.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { PermissionReport } from "./children/permission_opener.ts";

/** What Node is run with. DATA stands for the directory of the database, PARENT for its parent. */
interface PermissionCase {
  readonly name: string;
  /** What exists of the database beforehand. */
  readonly there: "nothing" | "its directory" | "all of it";
  readonly flags: readonly string[];
  readonly readOnly?: boolean;
  /** The directory of the database, below PARENT. Default: `data`. */
  readonly data?: string;
  /** The flags that the error must name; `undefined` if opening works. */
  readonly missing?: string;
}

const addons = "--allow-addons";
const read = "--allow-fs-read=DATA";
const write = "--allow-fs-write=DATA";
const parent = ["--allow-fs-read=PARENT", "--allow-fs-write=PARENT"];

const CASES: readonly PermissionCase[] = [
  { name: "the smallest set", there: "its directory", flags: [addons, read, write] },
  { name: "the smallest set, again", there: "all of it", flags: [addons, read, write] },
  { name: "a new directory", there: "nothing", flags: [addons, ...parent] },
  { name: "new directories", there: "nothing", data: "deeper/data", flags: [addons, ...parent] },
  { name: "reading only", there: "all of it", flags: [addons, read, write], readOnly: true },
  { name: "none", there: "its directory", flags: [], missing: `${addons} ${read} ${write}` },
  { name: "without addons", there: "all of it", flags: [read, write], missing: addons },
  {
    name: "reading only, without addons",
    there: "all of it",
    flags: [read, write],
    readOnly: true,
    missing: addons,
  },
  { name: "without read", there: "all of it", flags: [addons, write], missing: read },
  { name: "without write", there: "all of it", flags: [addons, read], missing: write },
  {
    name: "reading only, without write",
    there: "all of it",
    flags: [addons, read],
    readOnly: true,
    missing: write,
  },
  {
    name: "a new directory that is named itself",
    there: "nothing",
    flags: [addons, "--allow-fs-read=PARENT", write],
    missing: "--allow-fs-write=PARENT",
  },
];

const PERMISSION = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";
/** From Node 26 on its permission model lets nobody flush, whatever is granted. */
const canFlush = Number(process.versions.node.split(".")[0]) < 26;

if (currentRuntime.name === "node") {
  for (const permissionCase of CASES) {
    test(`Node's permission model: ${permissionCase.name}`, () => tryFlags(permissionCase));
  }
}

function tryFlags(
  { there, flags, readOnly = false, data = "data", missing }: PermissionCase,
): Promise<void> {
  return withDirectory(async (directory) => {
    const parent = await realpath(directory);
    const path = join(parent, data);
    if (there !== "nothing") await mkdir(path);
    if (there === "all of it") await makeDatabase(path);
    const inPlace = (flag: string) => flag.replaceAll("DATA", path).replaceAll("PARENT", parent);
    const forProgram = [PERMISSION, `--allow-fs-read=${root}`];
    await using child = new Child("lmdb/children/permission_opener", { path, readOnly }, {
      permissions: [...forProgram, ...flags.map(inPlace)],
      directory: root,
    });
    const { outcome, message = "" } = await child.report<PermissionReport>();
    const works = missing === undefined && (canFlush || readOnly);
    assert.equal(outcome, works ? "works" : "PERMISSION_DENIED", message);
    if (works) return;
    const prefix = `Cannot open LMDB environment at "${path}": `;
    if (missing !== undefined) {
      assert.equal(message, `${prefix}Node must be run with ${inPlace(missing)}`);
    } else {
      assert.ok(message.startsWith(`${prefix}Node's permission model refuses: fsync`), message);
      assert.match(message, /only readOnly: true works under it$/);
    }
    if (there === "nothing" && data === "data") {
      assert.deepEqual(await namesIn(parent, path), [], "nothing is left");
    }
  });
}

/** What a failed opening has left beside the directory of the database. */
async function namesIn(parent: string, path: string): Promise<string[]> {
  const names = await readdir(parent, { recursive: true });
  return names.filter((name) => join(parent, name) !== path);
}

async function makeDatabase(path: string): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  await provider.createMessageJournal<string>().append("a", "message 0");
}
