// `node scripts/bench_before.js COMMIT`: packs the library as it was at a commit into
// bench/before.tgz, so that the bench measures it beside the present code in the same run.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root, run } from "./process.js";
import { npm } from "./setup.js";

const packed = join(root, "bench", "before.tgz");

const [commit] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "bench-before-"));
try {
  if (commit === undefined) throw new Error("Which commit is packed?");
  const checkout = join(directory, "checkout");
  await git("worktree", "add", "--detach", checkout, commit);
  try {
    await pack(checkout);
  } finally {
    await git("worktree", "remove", "--force", checkout);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true });
}

/**
 * Packs what runs: no types, no source maps, no tests. What it depends on is found in the checkout.
 *
 * @param {string} checkout
 */
async function pack(checkout) {
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  await succeed([process.execPath, "scripts/build.js"], checkout);
  const copy = join(directory, "before");
  for (const part of ["mod.js", "core", "adapters"]) {
    const isRun = (/** @type {string} */ file) => !/\.(d\.ts|map)$/.test(file);
    mkdirSync(copy, { recursive: true });
    cpSync(join(checkout, "dist", part), join(copy, part), { recursive: true, filter: isRun });
  }
  const manifest = {
    name: "persistence-before",
    version: "0.0.0",
    description: `This library at ${commit}, for the bench.`,
    license: "MIT",
    type: "module",
    exports: { ".": "./mod.js", "./lmdb": "./adapters/lmdb/mod.js" },
  };
  writeFileSync(join(copy, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await succeed(npm("pack", copy), directory);
  renameSync(join(directory, "persistence-before-0.0.0.tgz"), packed);
  console.log(`Packed ${commit} into ${packed}`);
}

/** @param {string[]} args */
async function git(...args) {
  await succeed(["git", ...args], root);
}

/** @param {readonly string[]} command @param {string} cwd */
async function succeed(command, cwd) {
  const { ok, end, output } = await run(command, { cwd });
  if (!ok) throw new Error(`${command.join(" ")} ${end}:\n${output}`);
}
