// Runs snippets of the documents on Node, Bun or Deno: one after the other, for a process for each
// would take long.
//
//   run_snippets.js LIST RESULTS
//
// LIST is a JSON file of the places of the snippets. When one has ended, a line is added to RESULTS:
// in JSON, what went wrong. The process ends by itself, unless a snippet has left something open.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { format, inspect } from "node:util";
import { takeTests } from "./snippet_tests.js";

/** @import { Place } from "../snippets.js" */

/** After this long a snippet is taken to hang. */
const timeoutMs = 60_000;

/** The suites of conformance have hundreds of cases, which the tests of the storages run. */
const maxTests = 10;

const [list = "", results = ""] = process.argv.slice(2);
const extension = "Deno" in globalThis || "Bun" in globalThis ? "ts" : "js";
for (const place of JSON.parse(readFileSync(list, "utf8"))) {
  appendFileSync(results, `${JSON.stringify(await problemsOf(place))}\n`);
}

/**
 * @param {Place} place
 * @returns {Promise<string[]>} what goes wrong in it
 */
async function problemsOf({ directory, hasTests, prints }) {
  process.chdir(directory);
  const snippet = join(directory, `snippet.${extension}`);
  /** @type {Record<string, string[]>} */
  const printed = {};
  const { log } = console;
  console.log = (...values) => {
    const mark = values.at(-1);
    const line = typeof mark === "symbol" && /^line (\d+)$/.exec(mark.description ?? "")?.[1];
    if (line) (printed[line] ??= []).push(format(...values.slice(0, -1)));
  };
  try {
    await withTimeout(runSnippet(snippet, hasTests));
  } catch (error) {
    return [`${snippet} fails: ${inspect(error)}`];
  } finally {
    console.log = log;
  }
  return Object.entries(prints).flatMap(([line, expected]) => {
    const actual = printed[line]?.join(", then ") ?? "";
    if (withoutLayout(actual) === withoutLayout(expected)) return [];
    return [`${snippet}:${line} prints "${actual}", not "${expected}"`];
  });
}

/** Comments may quote strings, and lay values out, as code does. @param {string} text */
function withoutLayout(text) {
  return text.replaceAll(/["'\s]|(?<=\b(?:Set|Map))\(\d+\)/g, "");
}

/** @param {string} snippet @param {boolean} hasTests */
async function runSnippet(snippet, hasTests) {
  await import(pathToFileURL(snippet).href);
  const tests = takeTests();
  if (hasTests && tests.length === 0) throw new Error("it registers no test");
  for (const { name, run } of tests.slice(0, maxTests)) {
    try {
      await run();
    } catch (error) {
      throw new Error(`the test "${name}" fails`, { cause: error });
    }
  }
}

/** @param {Promise<void>} work */
async function withTimeout(work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`does not end in ${timeoutMs} ms`)), timeoutMs);
  });
  await Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}
