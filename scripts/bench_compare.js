// `npm run bench:compare`: runs the bench on Node, Bun and Deno, one after the other, writes what
// they say to bench/results/, with tables and charts. Arguments are the bench's own, such as --quick.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { installBench, runtimes } from "./bench_runtimes.js";
import { root } from "./process.js";

/** Messages of a JSON result are a few hundred KiB at most. */
const MAX_OUTPUT_BYTES = 2 ** 26;

const results = join(root, "bench", "results");

try {
  await installBench();
  mkdirSync(results, { recursive: true });
  for (const [name, command] of Object.entries(runtimes)) {
    const output = capture([...await command(), "--json", ...process.argv.slice(2)]);
    const result = JSON.stringify(JSON.parse(output), null, 2);
    writeFileSync(join(results, `${name}.json`), `${result}\n`);
  }
  const [node] = await runtimes.node();
  console.log(capture([node, join(root, "bench", "publish.ts")]));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/**
 * Runs a program, shows its standard error and returns its standard output.
 *
 * @param {readonly string[]} command
 */
function capture([program = "", ...args]) {
  const { status, signal, error, stdout } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ended with ${signal ?? `exit code ${status}`}`);
  return stdout;
}
