// Checks of the source as it stands. Run by scripts/run_tests.js, or alone: node --test <file>.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import "./faults.js";
import { compareTables } from "../faults_readme.js";
import { root, run } from "../process.js";
import { deno } from "../runtimes.js";
import { tool } from "../setup.js";

const { executable, unavailable } = await deno();
const skip = unavailable ?? false;

test("tsc finds no error", () => succeed(tool("typescript", "-p", "tsconfig.json")));
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

test("README quotes the table of the fault rig's result as it is", () => {
  const { wanted, actual } = compareTables();
  assert.equal(actual, wanted);
});

test("core imports only itself and its codec's package, and knows no runtime", () => {
  for (const file of sourceFiles("core")) {
    for (const specifier of importsOf(file)) {
      const isAllowed = specifier === "@msgpack/msgpack" ||
        (specifier.startsWith(".") && resolve(file, specifier).startsWith("core/"));
      assert.ok(isAllowed, `${file} imports ${specifier}`);
    }
    const global = /\b(Buffer|Bun|Deno|process|require|__dirname)\b(?!\s*[:(])/.exec(codeOf(file));
    assert.equal(global, null, `${file} uses ${global?.[1]}`);
  }
});

test("adapters import core and, from an entry point, the engine that it is for", () => {
  const isEntryPoint = /^adapters\/(node|bun|deno)\.ts$/;
  for (const file of sourceFiles("adapters")) {
    const engine = posix.dirname(file);
    for (const specifier of importsOf(file).filter((specifier) => specifier.startsWith("."))) {
      const target = resolve(file, specifier);
      const isOwn = engine !== "adapters" && target.startsWith(`${engine}/`);
      const isEngine = isEntryPoint.test(file) && /^adapters\/[^/]+\//.test(target);
      assert.ok(target.startsWith("core/") || isOwn || isEngine, `${file} imports ${specifier}`);
    }
  }
});

test("no file of core or adapters imports itself by a detour", () => {
  const files = [...sourceFiles("core"), ...sourceFiles("adapters")];
  /** @type {Set<string>} */
  const done = new Set();
  /** @param {string} file @param {readonly string[]} path */
  const visit = (file, path) => {
    assert.ok(!path.includes(file), `a cycle of imports: ${[...path, file].join(" -> ")}`);
    if (done.has(file)) return;
    for (const specifier of importsOf(file).filter((specifier) => specifier.startsWith("."))) {
      visit(resolve(file, specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

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

/** @param {string} directory @returns {string[]} with "/" on every platform */
function sourceFiles(directory) {
  return readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => posix.join(directory, file.replaceAll("\\", "/")));
}

/** A file without its comments. @param {string} file */
function withoutComments(file) {
  return readText(file).replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

/** A file without its comments and strings. @param {string} file */
function codeOf(file) {
  return withoutComments(file).replaceAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""');
}

/** What a file imports or re-exports, dynamically too. @param {string} file */
function importsOf(file) {
  const specifiers = withoutComments(file).matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g);
  return Array.from(specifiers, (match) => match[1] ?? "");
}

/** @param {string} file @param {string} specifier */
function resolve(file, specifier) {
  return posix.join(posix.dirname(file), specifier);
}
