// Checks of the source as it stands. Run by scripts/run_tests.js, or alone: node --test <file>.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { test } from "node:test";
import "./doc_comments.js";
import "./documents.js";
import "./faults.js";
import { compareTables } from "../faults_readme.js";
import { allowedImports, findWrongImports } from "./imports.js";
import { root, run } from "../process.js";
import { deno } from "../runtimes.js";
import { tool } from "../setup.js";

const { executable, unavailable } = await deno();
const skip = unavailable ?? false;

/**
 * So that it is read as a whole before the first change. It once had four times as much, with byte
 * formats and measurements: what goes into detail belongs into docs/.
 */
const maxArchitectureBytes = 12_288;

test("tsc finds no error", () => succeed(tool("typescript", "-p", "tsconfig.json")));
test("tsc finds no error with Bun's types", () => {
  return succeed(tool("typescript", "-p", "tsconfig.bun.json"));
});
test("tsc finds no error in scripts", () => succeed(tool("typescript", "-p", "scripts")));
test("deno check finds no error", { skip }, () => succeed([executable, "check"]));
test("deno lint finds nothing", { skip }, () => succeed([executable, "lint"]));
test("deno fmt would change nothing", { skip }, () => succeed([executable, "fmt", "--check"]));

test("package.json and deno.json say the same", () => {
  const npm = readJson("package.json");
  const jsr = readJson("deno.json");
  assert.equal(jsr.name, npm.name);
  assert.equal(jsr.version, npm.version);
  assert.equal(jsr.license, npm.license);

  const { "./package.json": _, ...npmExports } = npm.exports;
  assert.deepEqual(Object.keys(jsr.exports), Object.keys(npmExports));
  for (const [subpath, source] of Object.entries(jsr.exports)) {
    assert.ok(existsSync(join(root, source)), `${subpath}: there is no ${source}`);
    const built = source.replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
    assert.deepEqual(npmExports[subpath], { types: `${built}.d.ts`, default: `${built}.js` });
  }

  for (const [name, specifier] of Object.entries(jsr.imports ?? {})) {
    assert.equal(specifier, `npm:${name}@${npm.dependencies[name]}`);
  }
});

test("the changelog starts with this version or with what is not released", () => {
  const first = /^## \[?([^\]\s]+)/m.exec(readText("CHANGELOG.md"))?.[1];
  assert.ok(first === "Unreleased" || first === readJson("package.json").version, first);
});

test("the documents quote the result of the fault rig as it is", () => {
  const tables = compareTables();
  const quotes = tables.map(({ file, actual }) => ({ file, quote: actual }));
  assert.deepEqual(quotes, tables.map(({ file, wanted }) => ({ file, quote: wanted })));
});

test("ARCHITECTURE.md is short enough to be read before the first change", () => {
  const bytes = Buffer.byteLength(readText("ARCHITECTURE.md"));
  assert.ok(
    bytes <= maxArchitectureBytes,
    `it has ${bytes} bytes, more than ${maxArchitectureBytes}`,
  );
});

test("the rooms in ARCHITECTURE.md are those of the check of imports", () => {
  const rooms = Object.keys(allowedImports).filter((room) => room.startsWith("core/"));
  assert.deepEqual(roomsOf(readText("ARCHITECTURE.md")), rooms);
});

test("every import is one that the table of rooms allows, and none goes in a circle", () => {
  assert.deepEqual(findWrongImports(root), []);
});

test("the check of imports finds what it must", () => {
  const tree = mkdtempSync(join(tmpdir(), "persistence-imports-"));
  try {
    const write = (/** @type {string} */ file, /** @type {string} */ text) => {
      mkdirSync(join(tree, posix.dirname(file)), { recursive: true });
      writeFileSync(join(tree, file), text);
    };
    for (const folder of ["core", "adapters", "testing", "examples", "tests/conformance"]) {
      mkdirSync(join(tree, folder), { recursive: true });
    }
    write("mod.ts", 'export * from "./core/ports/storage.ts";');
    write("core/ports/storage.ts", 'import "../util/bytes.ts"; // import "lmdb";');
    write("core/util/bytes.ts", "export {};");
    assert.deepEqual(findWrongImports(tree), [], "a tree in order");

    write("core/format/frame.ts", 'import "../commit/queue.ts";');
    write("core/commit/queue.ts", 'import "../format/frame.ts"; const map = await import("lmdb");');
    write("core/odd.ts", "export const bytes = Buffer.alloc(1);");
    write("adapters/memory.ts", 'import "./lmdb/mod.ts";');
    write("adapters/lmdb/mod.ts", 'import "node:fs"; import "../../mod.ts";');
    assert.deepEqual(findWrongImports(tree).sort(), [
      "a circle: core/commit/queue.ts -> core/format/frame.ts -> core/commit/queue.ts",
      "adapters/lmdb/mod.ts imports mod.ts: adapters/lmdb may not",
      "adapters/memory.ts imports adapters/lmdb/mod.ts: adapters/memory.ts may not",
      "core/commit/queue.ts imports lmdb: core/commit may not",
      "core/format/frame.ts imports core/commit/queue.ts: core/format may not",
      "core/odd.ts is in no room of the table",
    ]);
    write("core/util/bytes.ts", "export const bytes = Buffer.alloc(1);");
    assert.ok(findWrongImports(tree).includes("core/util/bytes.ts uses Buffer"));
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
});

/**
 * The rooms of the table, in its order.
 *
 * @param {string} text the text of ARCHITECTURE.md
 * @returns {string[]}
 */
function roomsOf(text) {
  const section = text.split(/^## /m).find((section) => section.startsWith("Rooms\n")) ?? "";
  return Array.from(section.matchAll(/^\| `(\S+?)\/?` +\|/gm), ([, room]) => `core/${room}`);
}

/** @param {readonly string[]} command */
async function succeed(command) {
  const { ok, end, output } = await run(command);
  if (!ok) throw new Error(`${command.slice(1).join(" ")} ${end}:\n${output}`);
}

/** @param {string} name */
function readText(name) {
  return readFileSync(join(root, name), "utf8");
}

/** @param {string} name */
function readJson(name) {
  return JSON.parse(readText(name));
}
