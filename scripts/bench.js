// `npm run bench`: installs the peers, and runs the bench on the newest Node, or on the runtime that
// `--runtime node|bun|deno|all` names. The other arguments are the bench's own.
import { spawnSync } from "node:child_process";
import process from "node:process";
import { installBench, runtimes, takeRuntime } from "./bench_runtimes.js";
import { startedByBun } from "./runtimes.js";

try {
  const { name, rest } = takeRuntime(process.argv.slice(2), startedByBun ? "bun" : "node");
  await installBench();
  const chosen = name === "all" ? Object.values(runtimes) : [runtimes[name]];
  for (const command of chosen) {
    const [program, ...args] = await command();
    const { status, signal, error } = spawnSync(program, [...args, ...rest], { stdio: "inherit" });
    if (error) throw error;
    if (status !== 0) throw new Error(`The bench ended with ${signal ?? `exit code ${status}`}`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
