import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** An example that takes so long hangs. */
const TIMEOUT_MS = 120_000;

/** The directory of the examples: the sources, or what was built from them. */
export const examples: URL = new URL("../examples/", import.meta.url);
/** The ending of their names there. */
export const extension: string = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/**
 * Runs an example in a process of its own, on the runtime that runs this file.
 *
 * @param name Its path in the directory of the examples, without extension.
 * @returns What it has written.
 */
export async function runExample(name: string): Promise<string> {
  const file = fileURLToPath(new URL(name + extension, examples));
  const options = "Deno" in globalThis ? ["run", "-A", "--no-check", "--cached-only"] : [];
  return await new Promise((resolve, reject) => {
    const settings = { timeout: TIMEOUT_MS };
    execFile(process.execPath, [...options, file], settings, (error, stdout, stderr) => {
      if (error) reject(new Error(`${name} failed: ${stdout}${stderr}`, { cause: error }));
      else {
        assert.equal(stderr, "", "what it complains of");
        resolve(stdout);
      }
    });
  });
}
