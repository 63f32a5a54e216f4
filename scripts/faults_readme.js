// `node scripts/faults_readme.js`: puts the table of the last full runs of the fault rig into
// docs/testing.md, and a few rows of it into README, from tests/faults/results/faults.json, which
// `npm run faults -- --json` writes.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, run } from "./process.js";
import { deno } from "./runtimes.js";
import { tableOf } from "./faults_table.js";

/** @import { CarriedOut } from "./faults_child.js" */

const resultFile = join(root, "tests", "faults", "results", "faults.json");
const BEGIN = "<!-- The table is made by scripts/faults_readme.js -->";
const END = "<!-- The end of the table -->";

/** The rows of README: the two losses that users fear, and that the rig would find one. */
const README_FAULTS = ["power-loss", "power-loss-unsynced", "kill"];

/**
 * The documents that quote the result, and what each of them quotes.
 *
 * @type {Readonly<Record<string, (results: readonly CarriedOut[]) => string>>}
 */
const quotes = {
  "README.md": (results) => describe(choose(results, README_FAULTS)),
  "docs/testing.md": describe,
};

/**
 * What each document must quote, and what it quotes, without what only changes the layout.
 *
 * @returns {{ file: string, wanted: string, actual: string }[]}
 */
export function compareTables() {
  const results = readResults();
  return Object.entries(quotes).map(([file, quoteOf]) => {
    const { begin, end, content } = findTable(file);
    return { file, wanted: plain(quoteOf(results)), actual: plain(content.slice(begin, end)) };
  });
}

/** @returns {CarriedOut[]} */
function readResults() {
  return JSON.parse(readFileSync(resultFile, "utf8"));
}

/** @param {readonly CarriedOut[]} results */
function describe(results) {
  const machines = [...new Set(results.map(({ machine }) => machine))];
  return `On ${machines.join(", and on ")}:\n\n${tableOf(results)}`;
}

/** @param {readonly CarriedOut[]} results @param {readonly string[]} names */
function choose(results, names) {
  return names.map((name) => {
    const fault = results.find((fault) => fault.name === name);
    if (!fault) throw new Error(`The result has no fault ${name}`);
    return fault;
  });
}

/** @param {string} file */
function findTable(file) {
  const content = readFileSync(join(root, file), "utf8");
  const begin = content.indexOf(BEGIN) + BEGIN.length;
  const end = content.indexOf(END);
  if (begin < BEGIN.length || end === -1) throw new Error(`${file} has no ${BEGIN} and ${END}`);
  return { begin, end, content };
}

/** @param {string} text */
function plain(text) {
  return text.replaceAll(/\s+/g, " ").replaceAll(/-{3,}/g, "---").trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = readResults();
  for (const [file, quoteOf] of Object.entries(quotes)) {
    const { begin, end, content } = findTable(file);
    const quote = `\n\n${quoteOf(results)}\n\n`;
    writeFileSync(join(root, file), content.slice(0, begin) + quote + content.slice(end));
  }
  const files = Object.keys(quotes).map((file) => join(root, file));
  const { ok, output } = await run([(await deno()).executable, "fmt", ...files]);
  if (!ok) throw new Error(output);
}
