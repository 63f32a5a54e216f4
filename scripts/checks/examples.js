import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../process.js";

/**
 * @typedef {object} Example
 * @property {string} name the file and line where it stands
 * @property {string} code
 */

/**
 * Reads the examples that are promised to run: every block of code marked `ts` in the README and in
 * the doc comments of what is published.
 *
 * @returns {Example[]}
 */
export function readExamples() {
  const modules = ["core", "adapters", join("tests", "conformance")].flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(directory, file))
  );
  return ["README.md", "mod.ts", ...modules.sort()].flatMap(readExamplesOf);
}

/** @param {string} file */
function readExamplesOf(file) {
  /** @type {Example[]} */
  const examples = [];
  /** @type {Example | undefined} */
  let open;
  for (const [index, line] of readFileSync(join(root, file), "utf8").split(/\r?\n/).entries()) {
    // In a doc comment each line starts with an asterisk.
    const text = file.endsWith(".md") ? line : /^\s*\* ?(.*)$/.exec(line)?.[1] ?? "";
    if (open !== undefined && text !== "```") {
      open.code += `${text}\n`;
    } else if (open !== undefined) {
      examples.push(open);
      open = undefined;
    } else if (text === "```ts") {
      open = { name: `${file.replaceAll("\\", "/")}:${index + 1}`, code: "" };
    }
  }
  return examples;
}
