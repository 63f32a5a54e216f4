// The code in the documents and in the doc comments of what is published: it is promised to compile
// and to run.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "../process.js";
import { markdownFiles } from "./markdown.js";

/** @import { Runtime } from "../runtimes.js" */

/**
 * @typedef {object} Snippet
 * @property {string} file
 * @property {number} line where its fence is: the first line of its code comes next
 * @property {string} code
 * @property {boolean} isRun whether it is run: one marked `ts no-run` is only compiled
 */

/**
 * @typedef {object} Place a written snippet, for the program that runs it
 * @property {string} directory where it is, and may leave files
 * @property {boolean} hasTests
 * @property {Record<string, string>} prints
 *   by line what the `console.log` that ends there prints: "a, then b" if it prints twice
 */

const testRunner = '"node:test"';

/** @returns {Snippet[]} every block of code marked `ts` */
export function readSnippets() {
  const modules = ["core", "adapters", "testing", "tests/conformance"].flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => `${directory}/${file.replaceAll("\\", "/")}`)
      .sort()
  );
  const documents = markdownFiles().filter((file) => /^(README\.md$|docs\/)/.test(file)).sort();
  return [...documents, "mod.ts", ...modules]
    .flatMap((file) => snippetsOf(file, readFileSync(join(root, file), "utf8")));
}

/**
 * @param {string} file
 * @param {string} text
 * @returns {Snippet[]}
 */
export function snippetsOf(file, text) {
  /** @type {Snippet[]} */
  const snippets = [];
  /** @type {{ fence: string, snippet: Snippet | undefined } | undefined} */
  let open;
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    // In a doc comment each line starts with an asterisk.
    const line = file.endsWith(".md") ? whole : /^\s*\* ?(.*)$/.exec(whole)?.[1] ?? "";
    const [, fence = "", info = ""] = /^\s*(`{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined) {
      if (fence !== "") open = { fence, snippet: begin(file, index + 1, info.trim()) };
    } else if (fence === open.fence && info.trim() === "") {
      if (open.snippet !== undefined) snippets.push(open.snippet);
      open = undefined;
    } else if (open.snippet !== undefined) {
      open.snippet.code += `${line}\n`;
    }
  }
  if (open !== undefined) throw new Error(`${file}: a block of code does not end`);
  return snippets;
}

/**
 * @param {string} file
 * @param {number} line
 * @param {string} info what stands beside the fence
 * @returns {Snippet | undefined} none if it is not TypeScript
 */
function begin(file, line, info) {
  if (!/^(ts|tsx|js|jsx|typescript|javascript)\b/.test(info)) return;
  if (info !== "ts" && info !== "ts no-run") {
    throw new Error(`${file}:${line}: code is marked \`ts\` or \`ts no-run\`, not \`${info}\``);
  }
  return { file, line, code: "", isRun: info === "ts" };
}

/**
 * Writes snippets as modules of a project, each in a directory of its own.
 *
 * @param {string} directory
 * @param {Runtime["kind"]} kind
 * @param {readonly Snippet[]} snippets
 */
export function writeSnippets(directory, kind, snippets) {
  for (const [index, { code }] of snippets.entries()) {
    const adapted = markPrints(code).code
      .replaceAll('"@cajun/persistence/node"', `"@cajun/persistence/${kind}"`)
      // It runs tests when it likes, and on Bun and Deno only within their test runners.
      .replaceAll(testRunner, '"../../../snippet_tests.js"');
    mkdirSync(join(directory, String(index)), { recursive: true });
    // What imports and exports nothing would be no module.
    writeFileSync(join(directory, String(index), "snippet.ts"), `${adapted}export {};\n`);
  }
}

/**
 * Runs snippets that were written, and on Node compiled.
 *
 * @param {string} directory
 * @param {Runtime} runtime
 * @param {readonly Snippet[]} snippets
 * @returns {Promise<string[]>} what went wrong
 */
export async function runSnippets(directory, { kind, executable }, snippets) {
  /** @type {Place[]} */
  const places = snippets.flatMap(({ code, isRun }, index) => {
    if (!isRun) return [];
    const { prints } = markPrints(code);
    return [{
      directory: join(directory, String(index)),
      hasTests: code.includes(testRunner),
      prints,
    }];
  });
  const list = join(directory, "list.json");
  const results = join(directory, "results.jsonl");
  writeFileSync(list, JSON.stringify(places));
  writeFileSync(results, "");
  const options = { node: ["--enable-source-maps"], bun: [], deno: ["run", "-A", "--cached-only"] };
  const command = [executable, ...options[kind], "run_snippets.js", list, results];
  const cwd = join(directory, "..", "..");
  const { ok, end, output } = await run(command, { cwd, timeoutMs: 180_000 });

  const ended = readFileSync(results, "utf8").split("\n").slice(0, -1);
  const problems = ended.flatMap((line) => JSON.parse(line));
  const next = places[ended.length];
  if (next !== undefined) problems.push(`${join(next.directory, "snippet.ts")} ${end}:\n${output}`);
  else if (!ok) problems.push(`one of the snippets has left something open: it ${end}:\n${output}`);
  return problems.map((problem) => locate(problem, snippets));
}

/**
 * Lets each `console.log(…); // 15` say from which line it prints, so that what it prints can be
 * compared with the comment.
 *
 * @param {string} code
 * @returns {{ code: string, prints: Place["prints"] }} with the same lines
 */
function markPrints(code) {
  /** @type {Place["prints"]} */
  const prints = {};
  const pattern = /\bconsole\.log\((.*|[^;]*?)(,?\s*\));[ \t]*\/\/ (.*)$/gm;
  const marked = code.replaceAll(pattern, (call, values, end, comment, offset) => {
    const line = code.slice(0, offset + call.length).split("\n").length;
    prints[line] = comment;
    return `console.log(${values}, Symbol.for("line ${line}")${end}; // ${comment}`;
  });
  return { code: marked, prints };
}

/**
 * Says where in the documents the lines of written snippets come from.
 *
 * @param {string} text what a compiler or a runtime says
 * @param {readonly Snippet[]} snippets
 */
export function locate(text, snippets) {
  // Runtimes write "snippet.ts:3:1", and tsc "snippet.ts(3,1)".
  const pattern = /[^\s("']*[\\/](\d+)[\\/]snippet\.[jt]s(?::(\d+)(?::\d+)?|\((\d+),\d+\))?/g;
  return text.replaceAll(pattern, (path, index, line, lineOfTsc) => {
    const snippet = snippets[Number(index)];
    if (snippet === undefined) return path;
    return `${snippet.file}:${snippet.line + Number(line ?? lineOfTsc ?? 0)}`;
  });
}
