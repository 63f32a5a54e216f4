// Which room may import which: the table, and the check that every import follows it. Run by
// scripts/checks/source.js.
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

/**
 * The rooms, from the lowest up, each with what it may import: other rooms (`core` for all of core)
 * and packages (`node:` for Node's own modules). A room may always import from itself.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const allowedImports = {
  "core/util": [],
  "core/ports": ["core/util"],
  "core/errors": ["core/util", "core/ports"],
  "core/telemetry": ["core/util", "core/ports"],
  "core/format": ["core/util", "core/ports", "core/errors"],
  "core/codec": ["core/util", "core/ports", "core/errors", "@msgpack/msgpack"],
  "core/schema": ["core/util", "core/ports", "core/errors", "core/telemetry", "core/format"],
  "core/read": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/telemetry",
    "core/format",
    "core/schema",
  ],
  "core/operations": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/format",
    "core/schema",
    "core/read",
  ],
  "core/log": ["core/util", "core/ports", "core/errors", "core/format", "core/read"],
  "core/commit": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/telemetry",
    "core/format",
    "core/read",
    "core/log",
  ],
  "core/stores": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/telemetry",
    "core/format",
    "core/schema",
    "core/read",
    "core/log",
    "core/commit",
  ],
  "core/retention": ["core/util", "core/ports", "core/errors"],
  "core/actors": ["core/util", "core/ports", "core/errors", "core/telemetry", "core/retention"],
  "core/provider.ts": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/telemetry",
    "core/format",
    "core/codec",
    "core/schema",
    "core/read",
    "core/operations",
    "core/log",
    "core/commit",
    "core/stores",
  ],
  "mod.ts": [
    "core/ports",
    "core/errors",
    "core/codec",
    "core/actors",
    "core/retention",
    "core/provider.ts",
  ],
  "adapters/runtime.ts": ["core/util", "core/ports"],
  "adapters/memory.ts": [
    "adapters/runtime.ts",
    "core/util",
    "core/ports",
    "core/errors",
    "core/provider.ts",
  ],
  "adapters/msgpackr.ts": ["core/util", "core/ports", "core/errors", "core/codec", "msgpackr"],
  "adapters/compression.ts": ["core/util", "core/ports", "core/errors", "node:"],
  "adapters/encryption": ["core/util", "core/ports", "core/errors", "@noble/ciphers"],
  "adapters/otel": ["core/util", "core/ports", "core/errors", "@opentelemetry/api"],
  "adapters/lmdb": [
    "adapters/runtime.ts",
    "core/util",
    "core/ports",
    "core/errors",
    "core/telemetry",
    "core/provider.ts",
    "lmdb",
    "node:",
  ],
  "testing": [
    "core/util",
    "core/ports",
    "core/errors",
    "core/codec",
    "core/actors",
    "core/provider.ts",
    "adapters/memory.ts",
  ],
  "tests/conformance": ["mod.ts", "core", "testing", "node:"],
  "examples": [
    "mod.ts",
    "adapters/memory.ts",
    "adapters/lmdb",
    "adapters/otel",
    "testing",
    "zod",
    "@opentelemetry/exporter-prometheus",
    "@opentelemetry/sdk-metrics",
    "node:",
  ],
};

/** The rooms that know no runtime: what is global only there must not be used in them. */
const pureRooms = /^(core|testing)\//;
const runtimeGlobals = /\b(Buffer|Bun|Deno|process|require|__dirname)\b(?!\s*[:(])/;

/**
 * What is wrong with the imports of a tree.
 *
 * @param {string} root the directory that the paths of the table are relative to
 * @returns {string[]} a line for each import that the table does not allow, each circle, each file
 *   that is in no room, and each global of a runtime in a pure room
 */
export function findWrongImports(root) {
  const folders = new Set(
    Object.keys(allowedImports).filter((room) => room.includes("/") || !room.endsWith(".ts"))
      .map((room) => room.startsWith("tests/") ? room : room.replace(/\/.*/, "")),
  );
  const files = ["mod.ts", ...[...folders].flatMap((folder) => sourceFiles(root, folder))];
  const imports = new Map(files.map((file) => [file, importsOf(root, file)]));
  return [...files.flatMap((file) => checkFile(root, file, imports)), ...findCircles(imports)];
}

/**
 * @param {string} root
 * @param {string} file
 * @param {ReadonlyMap<string, readonly string[]>} imports
 */
function checkFile(root, file, imports) {
  const room = roomOf(file);
  if (room === undefined) return [`${file} is in no room of the table`];
  const wrong = (imports.get(file) ?? [])
    .filter((target) => !mayImport(room, target))
    .map((target) => `${file} imports ${target}: ${room} may not`);
  const global = pureRooms.test(file) ? runtimeGlobals.exec(codeOf(root, file))?.[1] : undefined;
  return global === undefined ? wrong : [...wrong, `${file} uses ${global}`];
}

/** @param {string} room @param {string} target a file, or the specifier of a package */
function mayImport(room, target) {
  const allowed = allowedImports[room] ?? [];
  const targetRoom = roomOf(target);
  if (targetRoom === room) return true;
  if (target.startsWith("node:")) return allowed.includes("node:");
  const name = targetRoom ?? /^(@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target;
  return allowed.some((other) => name === other || name.startsWith(`${other}/`));
}

/** @param {ReadonlyMap<string, readonly string[]>} imports */
function findCircles(imports) {
  /** @type {string[]} */
  const circles = [];
  /** @type {Set<string>} */
  const done = new Set();
  /** @param {string} file @param {readonly string[]} path */
  const visit = (file, path) => {
    if (path.includes(file)) {
      circles.push(`a circle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) {
      if (imports.has(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return circles;
}

/** The innermost room that a file is in. @param {string} path */
function roomOf(path) {
  const rooms = Object.keys(allowedImports)
    .filter((room) => path === room || path.startsWith(`${room}/`));
  return rooms.sort((a, b) => b.length - a.length)[0];
}

/** @param {string} root @param {string} directory @returns {string[]} with "/" on every platform */
function sourceFiles(root, directory) {
  return readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => posix.join(directory, file.replaceAll("\\", "/")));
}

/** What a file imports or re-exports, dynamically too. @param {string} root @param {string} file */
function importsOf(root, file) {
  const specifiers = withoutComments(root, file).matchAll(
    /(?<!")\b(?:from|import)\s*\(?\s*"([^"\s,]+)"/g,
  );
  return Array.from(
    specifiers,
    ([, specifier = ""]) =>
      specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : specifier,
  );
}

/** @param {string} root @param {string} file */
function withoutComments(root, file) {
  const text = readFileSync(join(root, file), "utf8");
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

/** A file without its comments and strings. @param {string} root @param {string} file */
function codeOf(root, file) {
  return withoutComments(root, file).replaceAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""');
}
