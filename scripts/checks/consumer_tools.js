// Checks of the packed package with the tools of its users: test runners, some of which run tests in
// a realm of their own, and bundlers. A part of scripts/checks/package.js.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root, run } from "../process.js";
import { toolIn } from "../setup.js";

/** @import { Runtime } from "../runtimes.js" */

/** Where the tools are installed: its package.json says why. */
export const toolsDirectory = join(root, "scripts", "checks", "consumer_tools");

const works = /^it works$/m;
const isMissing = /OPEN_FAILED: .*the package lmdb cannot be loaded: .* must not be bundled$/m;

/**
 * Registers the checks of test runners.
 *
 * @param {string} project where the package is installed
 */
export function checkTestRunners(project) {
  const file = join("tools", "runner.test.js");

  test("a user's tests run in Jest", async () => {
    const options = ["--transform", "{}", "--testEnvironment", "node", "--no-watchman"];
    const jest = toolIn(toolsDirectory, "jest", "--rootDir", project, ...options, file);
    const [node = "", ...args] = jest;
    await succeed([node, "--experimental-vm-modules", ...args], project);
  });

  for (const pool of ["threads", "forks", "vmThreads"]) {
    test(`a user's tests run in vitest, in its pool ${pool}`, async () => {
      const options = ["run", "--globals", `--pool=${pool}`, file];
      await succeed(toolIn(toolsDirectory, "vitest", ...options), project);
    });
  }
}

/**
 * Registers the checks of bundlers.
 *
 * @param {string} project where the package is installed
 * @param {{ node: Runtime, bun: Runtime }} runtimes
 */
export function checkBundlers(project, { node, bun }) {
  const source = join("tools", "main.js");
  const esbuild = [source, "--bundle", "--platform=node", "--format=esm", "--log-level=warning"];
  const skip = bun.unavailable ?? false;

  test("a bundle of esbuild runs", async () => {
    const options = ["--external:lmdb", "--outfile=bundles/esbuild.js"];
    await succeed(toolIn(toolsDirectory, "esbuild", ...esbuild, ...options), project);
    assert.match(await outputOf([node.executable, "bundles/esbuild.js"]), works);
  });

  test("a bundle of Vite runs", async () => {
    const options = ["build", "--config", join("tools", "vite.config.js")];
    await succeed(toolIn(toolsDirectory, "vite", ...options), project);
    assert.match(await outputOf([node.executable, "bundles/vite/main.js"]), works);
  });

  test("a bundle of Bun runs", { skip }, async () => {
    const options = ["--target=bun", "--external", "lmdb", "--outfile=bundles/bun.js"];
    await succeed([bun.executable, "build", source, ...options], project);
    assert.match(await outputOf([bun.executable, "bundles/bun.js"]), works);
  });

  test("a single file of Bun runs, with lmdb where it is started", { skip }, async () => {
    const options = ["--external", "lmdb", "--compile-autoload-package-json"];
    const command = [bun.executable, "build", source, "--compile", ...options];
    await succeed([...command, "--outfile=bundles/single"], project);
    assert.match(await outputOf([join(project, "bundles", "single")]), works);
    assert.match(await outputOf([join(project, "bundles", "single")], tmpdir()), isMissing);
  });

  test("a bundle that contains lmdb, or does not find it, says so", async () => {
    await succeed(
      toolIn(toolsDirectory, "esbuild", ...esbuild, "--outfile=bundles/whole.js"),
      project,
    );
    assert.match(await outputOf([node.executable, "bundles/whole.js"]), isMissing);
    const alone = mkdtempSync(join(tmpdir(), "persistence-alone-"));
    try {
      const options = ["--external:lmdb", `--outfile=${join(alone, "bundle.mjs")}`];
      await succeed(toolIn(toolsDirectory, "esbuild", ...esbuild, ...options), project);
      assert.match(await outputOf([node.executable, join(alone, "bundle.mjs")]), isMissing);
    } finally {
      rmSync(alone, { recursive: true });
    }
  });

  /** @param {readonly string[]} command */
  async function outputOf(command, cwd = project) {
    return (await run(command, { cwd })).output.trim();
  }
}

/** @param {readonly string[]} command @param {string} cwd */
async function succeed(command, cwd) {
  const { ok, end, output } = await run(command, { cwd });
  if (!ok) throw new Error(`${command.slice(1).join(" ")} ${end}:\n${output}`);
}
