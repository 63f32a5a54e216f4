// Checks of what is published: the package is packed, installed into an empty project, and used
// there as its users do. Run by scripts/run_tests.js, or alone: node --test <file>.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root, run } from "../process.js";
import { bun, deno, newestNode, node, nodeOfNpm } from "../runtimes.js";
import { npm, tool } from "../setup.js";
import { readExamples } from "./examples.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const directory = mkdtempSync(join(tmpdir(), "persistence-package-"));
const project = join(directory, "project");
const examples = readExamples();
const denoRuntime = await deno();

/** The files of the package, relative to it. @type {string[]} */
let files = [];
let tarball = "";

before(async () => {
  // What is shipped is what was built and tested: not what `prepack` would build anew.
  const pack = npm(
    "pack",
    "--ignore-scripts",
    "--json",
    "--silent",
    "--pack-destination",
    directory,
  );
  const [packed] = JSON.parse(await succeed(pack));
  files = packed.files.map((/** @type {{ path: string }} */ file) => file.path);
  tarball = join(directory, packed.filename);

  cpSync(join(root, "scripts", "checks", "consumer"), project, { recursive: true });
  for (const { name, code } of examples) {
    mkdirSync(directoryOf(name), { recursive: true });
    // What imports and exports nothing would be no module.
    writeFileSync(join(directoryOf(name), "example.ts"), `${code}export {};\n`);
  }
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  await succeed(npm("install", ...quiet, tarball), project);
});

after(() => rmSync(directory, { recursive: true, force: true }));

test("npm pack ships what the exports need, and nothing of the workshop", () => {
  const shipped = new Set(files.map((file) => `./${file}`));
  for (const target of Object.values(manifest.exports)) {
    for (const file of typeof target === "string" ? [target] : Object.values(target)) {
      assert.ok(shipped.has(file), `${file} is missing`);
    }
  }
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "SECURITY.md"]) {
    assert.ok(shipped.has(`./${name}`), `${name} is missing`);
  }
  const isCode = /^dist\/(mod|core\/.*|adapters\/.*|tests\/conformance\/.*)\.(js|js\.map|d\.ts)$/;
  const odd = files.filter((file) =>
    !isCode.test(file) && !/^([A-Z]+(\.md)?|package\.json)$/.test(file)
  );
  assert.deepEqual(odd, []);
});

test("source maps carry the sources, which are not shipped beside them", () => {
  for (const file of files.filter((file) => file.endsWith(".map"))) {
    const map = JSON.parse(readFileSync(join(root, file), "utf8"));
    assert.equal(map.sourcesContent?.length, map.sources.length, file);
  }
});

test("publint finds nothing", async () => {
  await succeed(tool("publint", "run", tarball, "--strict"));
});

test("attw finds nothing", async () => {
  const options = ["--profile", "esm-only", "--no-definitely-typed"];
  await succeed(tool("@arethetypeswrong/cli", tarball, ...options));
});

test("deno publish would publish it", { skip: denoRuntime.unavailable ?? false }, async () => {
  const output = await succeed([denoRuntime.executable, "publish", "--dry-run", "--allow-dirty"]);
  assert.doesNotMatch(output, /warning/i);
});

test("a user's tsc compiles it, and the examples, under module resolution NodeNext", async () => {
  await succeed(tool("typescript", "-p", project));
});

test("a user's tsc compiles it under module resolution Bundler", async () => {
  await succeed(tool("typescript", "-p", join(project, "tsconfig.bundler.json")));
});

for (const runtime of [await node(), await newestNode(), await bun(), denoRuntime]) {
  const { kind, label, executable, unavailable } = runtime;
  test(`a user's program runs on ${label}`, { skip: unavailable ?? false }, async () => {
    const options = kind === "deno" ? ["run", "-A", "--cached-only"] : [];
    await succeed([executable, ...options, kind === "node" ? "use.js" : "use.ts"], project);
  });
}

for (const { name } of examples) {
  test(`the example at ${name} runs`, async () => {
    await succeed([nodeOfNpm, "example.js"], directoryOf(name));
  });
}

/** Each example has a directory of its own, in which it may leave files. @param {string} name */
function directoryOf(name) {
  return join(project, "examples", name.replaceAll(/\W/g, "_"));
}

/**
 * @param {readonly string[]} command
 * @param {string} [cwd]
 */
async function succeed(command, cwd = root) {
  const { ok, end, output } = await run(command, { cwd });
  if (!ok) throw new Error(`${command.slice(1).join(" ")} ${end}:\n${output}`);
  return output;
}
