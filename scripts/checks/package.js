// Checks of what is published: the package is packed, installed into an empty project, and used
// there as its users do. Run by scripts/run_tests.js, or alone: node --test <file>.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { reachableFiles } from "../build.js";
import { root, run } from "../process.js";
import { bun, deno, newestNode, node } from "../runtimes.js";
import { ensureInstalled, npm, tool } from "../setup.js";
import { checkBundlers, checkTestRunners, toolsDirectory } from "./consumer_tools.js";
import { missingFromPackage } from "./links.js";
import { locate, readSnippets, runSnippets, snippetsOf, writeSnippets } from "./snippets.js";

/** @import { Runtime } from "../runtimes.js" */

/**
 * A little more than there is. With the source maps that it once had the package was twice as
 * large: what gets in by mistake is found, and who adds something on purpose raises this.
 */
const maxTarballBytes = 760_000;

const directory = mkdtempSync(join(tmpdir(), "persistence-package-"));
const project = join(directory, "project");
const nodeRuntime = await node();
const bunRuntime = await bun();
const denoRuntime = await deno();

const snippets = readSnippets();
const notRun = snippets.filter(({ isRun }) => !isRun).map(({ file, line }) => `${file}:${line}`);
const failingFile = "scripts/checks/fixtures/failing_snippets.md";
const failing = snippetsOf(failingFile, readFileSync(join(root, failingFile), "utf8"));

/** The files of the package, relative to it. @type {string[]} */
let files = [];
let tarball = "";

before(async () => {
  // What is shipped is what was built and tested: not what `prepack` would build anew.
  const options = ["--ignore-scripts", "--json", "--silent", "--pack-destination", directory];
  const [packed] = JSON.parse(await succeed(npm("pack", ...options)));
  files = packed.files.map((/** @type {{ path: string }} */ file) => file.path);
  tarball = join(directory, packed.filename);

  cpSync(join(root, "scripts", "checks", "consumer"), project, { recursive: true });
  writeSnippets(snippetsFor("node"), "node", snippets);
  writeSnippets(snippetsFor("bun"), "bun", snippets);
  writeSnippets(snippetsFor("deno"), "deno", snippets);
  writeSnippets(snippetsFor("failing"), "node", failing);
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  await succeed(npm("install", ...quiet, tarball), project);
  await ensureInstalled(toolsDirectory);
});

after(() => rmSync(directory, { recursive: true, force: true }));

test("npm pack ships what the exports need, and nothing of the workshop", () => {
  const reachable = reachableFiles();
  const documents = ["README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "SECURITY.md"];
  const missing = [...reachable, ...documents].filter((file) => !files.includes(file));
  assert.deepEqual(missing, []);
  // The code of a module that has only types is nothing that others import.
  const isNeeded = (/** @type {string} */ file) =>
    reachable.has(file) || reachable.has(file.replace(/\.js$/, ".d.ts")) ||
    /^([A-Z]+(\.md)?|docs\/.*\.md|package\.json)$/.test(file);
  assert.deepEqual(files.filter((file) => !isNeeded(file)), []);
});

test(`the package has at most ${maxTarballBytes} bytes`, () => {
  const { size } = statSync(tarball);
  assert.ok(size <= maxTarballBytes, `it has ${size}`);
});

test("what a document of the package names is in it too, or is linked absolutely", () => {
  const documents = files.filter((file) => file.endsWith(".md"));
  assert.deepEqual(documents.flatMap((file) => missingFromPackage(file, files)), []);
});

test("publint finds nothing", async () => {
  await succeed(tool("publint", "run", tarball, "--strict"));
});

test("attw finds nothing", async () => {
  const options = ["--profile", "esm-only", "--no-definitely-typed"];
  await succeed(tool("@arethetypeswrong/cli", tarball, ...options));
});

test("deno publish would publish it", { skip: denoRuntime.unavailable ?? false }, async () => {
  // One of the checks of the source is that of the types, which takes long.
  const options = ["--dry-run", "--allow-dirty", "--no-check"];
  const output = await succeed([denoRuntime.executable, "publish", ...options]);
  assert.doesNotMatch(output, /warning/i);
});

test("a user's tsc compiles it, and the snippets, under module resolution NodeNext", async () => {
  await succeed(tool("typescript", "-p", project));
});

test("a user's tsc compiles it under module resolution Bundler", async () => {
  await succeed(tool("typescript", "-p", join(project, "tsconfig.bundler.json")));
});

test("a user's deno check finds no error in the snippets", {
  skip: denoRuntime.unavailable ?? false,
}, async () => {
  await succeed([denoRuntime.executable, "check", "--quiet", "snippets/deno"], project);
});

for (const runtime of [nodeRuntime, await newestNode(), bunRuntime, denoRuntime]) {
  const { label, unavailable } = runtime;
  test(`a user's program runs on ${label}`, { skip: unavailable ?? false }, async () => {
    await succeed(program("use", runtime), project);
  });

  test(`an error leads to its line on ${label}`, { skip: unavailable ?? false }, async () => {
    const { ok, output } = await run(program("fail", runtime), { cwd: project });
    assert.equal(ok, false);
    const lines = linesOfPackage(output);
    // It shows the topmost line, and the words of the message stand in one of the lines.
    assert.ok(lines[0] !== undefined && output.includes(lines[0]), output);
    const words = /RangeError: Cannot append: the actor id (.+)/.exec(output)?.[1] ?? "no message";
    assert.ok(lines.some((line) => line.includes(words)), output);
  });
}

checkTestRunners(project);
checkBundlers(project, { node: nodeRuntime, bun: bunRuntime });

for (const runtime of [nodeRuntime, bunRuntime, denoRuntime]) {
  const { kind, label, unavailable } = runtime;
  const skip = unavailable ?? false;
  const count = `${snippets.length - notRun.length} of ${snippets.length}`;
  test(`${count} snippets run on ${label}`, { skip }, async (context) => {
    if (notRun.length > 0) context.diagnostic(`not run: ${notRun.join(", ")}`);
    assert.deepEqual(await runSnippets(snippetsFor(kind), runtime, snippets), []);
  });
}

test("a snippet that fails, or prints something else than it says, is found", async () => {
  const problems = await runSnippets(snippetsFor("failing"), nodeRuntime, failing);
  assert.deepEqual(problems.map((problem) => problem.split("\n")[0]), [
    `${failingFile}:4 prints "1", not "2"`,
    `${failingFile}:6 prints "", not "1"`,
    `${failingFile}:10 fails: Error: it fails`,
    `${failingFile}:19 fails: Error: the test "a test" fails`,
    `${failingFile}:27 fails: Error: it registers no test`,
  ]);
  assert.match(problems[2] ?? "", /at fail \(.*failing_snippets\.md:12\)/);
});

/** @param {Runtime["kind"] | "failing"} name */
function snippetsFor(name) {
  return join(project, "snippets", name);
}

/**
 * @param {"use" | "fail"} name
 * @param {Runtime} runtime
 */
function program(name, { kind, executable }) {
  if (kind === "node") return [executable, "--enable-source-maps", `${name}.js`];
  return [executable, ...(kind === "deno" ? ["run", "-A", "--cached-only"] : []), `${name}.ts`];
}

/**
 * The lines, in the installed package, that a stack trace leads to.
 *
 * @param {string} trace
 * @returns {string[]}
 */
function linesOfPackage(trace) {
  const pattern = /@cajun[\\/]persistence[\\/]([^\s:]+):(\d+):\d+/g;
  return Array.from(trace.matchAll(pattern), ([, file = "", line]) => {
    const path = join(project, "node_modules", "@cajun", "persistence", file);
    return readFileSync(path, "utf8").split("\n")[Number(line) - 1]?.trim() ?? "no such line";
  });
}

/**
 * @param {readonly string[]} command
 * @param {string} [cwd]
 */
async function succeed(command, cwd = root) {
  const { ok, end, output } = await run(command, { cwd });
  if (ok) return output;
  throw new Error(`${command.slice(1).join(" ")} ${end}:\n${locate(output, snippets)}`);
}
