import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { LmdbPersistenceProvider } from "../../adapters/lmdb/mod.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { currentRuntime, root } from "../processes/runtimes.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { PermissionReport } from "./children/permission_opener.ts";

const LIBC_FILE = "/usr/bin/ldd";
const AT_ONCE = 4;
const READ_LIBC = process.platform === "linux" ? `,${LIBC_FILE}` : "";

/** What Deno is run with. DATA stands for the directory of the database, PARENT for its parent. */
interface PermissionCase {
  readonly name: string;
  /** What exists of the database beforehand. */
  readonly there: "nothing" | "its directory" | "all of it" | "a file";
  readonly permissions: readonly string[];
  readonly readOnly?: boolean;
  /** Whether it is run in a directory below the one that has `node_modules`. */
  readonly isMember?: boolean;
  /** The directory of the database, below PARENT. Default: `data`. */
  readonly data?: string;
  /**
   * The flags that the error must name; `undefined` if opening works, or fails for another reason.
   */
  readonly missing?: string;
}

const read = `--allow-read=DATA,node_modules${READ_LIBC}`;
const readParent = `--allow-read=DATA,PARENT,node_modules${READ_LIBC}`;
const write = "--allow-write=DATA";
const ffi = "--allow-ffi=node_modules";
const env = "--allow-env";

const CASES: readonly PermissionCase[] = [
  { name: "the smallest set", there: "its directory", permissions: [read, write, env, ffi] },
  { name: "the smallest set, again", there: "all of it", permissions: [read, write, env, ffi] },
  {
    name: "the smallest set for a new directory",
    there: "nothing",
    permissions: [readParent, write, env, ffi],
  },
  {
    name: "the smallest set to read only",
    there: "all of it",
    permissions: [read, write, env, ffi],
    readOnly: true,
  },
  {
    name: "sys instead of the C library's file",
    there: "its directory",
    permissions: ["--allow-read=DATA,node_modules", write, env, ffi, "--allow-sys"],
  },
  {
    name: "reading everything",
    there: "nothing",
    permissions: ["--allow-read", write, env, "--allow-ffi"],
  },
  { name: "all", there: "nothing", permissions: ["-A"] },
  {
    name: "none",
    there: "its directory",
    // Without any, a Deno that is started by another one is given all.
    permissions: ["--allow-run=nothing"],
    missing: `${readParent} ${write} ${env} ${ffi}`,
  },
  {
    name: "none, in a new project",
    there: "nothing",
    permissions: ["--allow-run=nothing"],
    missing: `${readParent} ${write} ${env} ${ffi}`,
  },
  {
    name: "none, in a member of a workspace",
    there: "nothing",
    permissions: ["--allow-run=nothing"],
    isMember: true,
    missing: `${readParent} ${write} ${env} ${ffi}`,
  },
  {
    name: "without ffi, in a member of a workspace",
    there: "all of it",
    permissions: [read, write, env],
    isMember: true,
    missing: ffi,
  },
  {
    name: "without read",
    there: "its directory",
    permissions: [write, env, ffi],
    missing: readParent,
  },
  {
    name: "without read, with sys",
    there: "its directory",
    permissions: [write, env, ffi, "--allow-sys"],
    missing: "--allow-read=DATA,PARENT,node_modules",
  },
  {
    name: "without reading the C library's file",
    there: "its directory",
    permissions: ["--allow-read=DATA,node_modules", write, env, ffi],
    missing: read,
  },
  {
    name: "without reading node_modules",
    there: "its directory",
    permissions: [`--allow-read=DATA${READ_LIBC}`, write, env, ffi],
    missing: read,
  },
  {
    name: "without reading the parent of a new directory",
    there: "nothing",
    permissions: [read, write, env, ffi],
    missing: readParent,
  },
  {
    name: "without the parents of a new directory",
    there: "nothing",
    data: join("deeper", "data"),
    permissions: ["--allow-read", write, env, ffi],
    missing: "--allow-write=DATA,PARENT/deeper",
  },
  { name: "without write", there: "its directory", permissions: [read, env, ffi], missing: write },
  {
    name: "without write, again",
    there: "all of it",
    permissions: [read, env, ffi],
    missing: write,
  },
  {
    name: "without write, read-only",
    there: "all of it",
    permissions: [read, env, ffi],
    readOnly: true,
    missing: write,
  },
  { name: "without env", there: "all of it", permissions: [read, write, ffi], missing: env },
  { name: "without ffi", there: "all of it", permissions: [read, write, env], missing: ffi },
  {
    name: "without env and ffi, read-only",
    there: "all of it",
    permissions: [read, write],
    readOnly: true,
    missing: `${env} ${ffi}`,
  },
  {
    name: "another reason than permissions",
    there: "a file",
    permissions: ["--allow-read=DATA", write],
  },
];

// On Deno only. The smallest set is that of systems that find the C library by its file.
if (currentRuntime.name === "deno") {
  const name = "Deno permissions: they suffice, or the error names those that are missing";
  if (process.platform !== "linux" || existsSync(LIBC_FILE)) test(name, tryAll);
  else test.skip(`${name} (there is no ${LIBC_FILE} here)`, tryAll);
}

/** A few at a time: most of the time is spent on starting processes. */
async function tryAll(): Promise<void> {
  const failures: unknown[] = [];
  for (let done = 0; done < CASES.length; done += AT_ONCE) {
    await Promise.all(
      CASES.slice(done, done + AT_ONCE).map(async (permissionCase) => {
        try {
          await tryPermissions(permissionCase);
        } catch (error) {
          failures.push(`${permissionCase.name}: ${error}`);
        }
      }),
    );
  }
  assert.deepEqual(failures, []);
}

function tryPermissions(
  { there, permissions, readOnly = false, isMember = false, data = "data", missing }:
    PermissionCase,
): Promise<void> {
  return withDirectory(async (parent) => {
    const path = join(parent, data);
    if (there === "a file") await writeFile(path, "text");
    else if (there !== "nothing") await mkdir(path);
    if (there === "all of it") await makeDatabase(path);
    const inPlace = (flag: string) => {
      const flagOfPaths = flag.replaceAll("DATA", path).replaceAll("PARENT", parent);
      if (!isMember) return flagOfPaths;
      return flagOfPaths.replaceAll("node_modules", join(root, "node_modules"));
    };
    const open = async (permissions: readonly string[]) => {
      await using child = new Child("lmdb/children/permission_opener", { path, readOnly }, {
        permissions,
        directory: isMember ? join(root, "tests") : root,
      });
      return await child.report<PermissionReport>();
    };

    const given = permissions.map(inPlace);
    const { outcome, message } = await open(given);
    if (missing === undefined) {
      assert.equal(outcome, there === "a file" ? "OPEN_FAILED" : "works", message);
      return;
    }
    const named = inPlace(missing);
    assert.equal(outcome, "PERMISSION_DENIED", message);
    assert.equal(
      message,
      `Cannot open LMDB environment at "${path}": Deno must be run with ${named}`,
    );
    if (there === "nothing") assert.deepEqual(await readdir(parent), []);

    // What the error names suffices.
    const nameOf = (flag: string) => flag.split("=")[0];
    const added = named.split(" ");
    const kept = given.filter((flag) => !added.some((other) => nameOf(other) === nameOf(flag)));
    const again = await open([...kept, ...added]);
    assert.equal(again.outcome, "works", again.message);
  });
}

async function makeDatabase(path: string): Promise<void> {
  await using provider = await LmdbPersistenceProvider.open({ path });
  await provider.createMessageJournal<string>().append("a", "message 0");
}
