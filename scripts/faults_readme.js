// `node scripts/faults_readme.js`: puts the table of the last full run of the fault rig into README,
// from tests/faults/results/faults.json, which `npm run faults -- --json` writes.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, run } from "./process.js";
import { deno } from "./runtimes.js";
import { tableOf } from "./faults_table.js";

/** @import { FaultsResult } from "./faults_child.js" */

const readme = join(root, "README.md");
const resultFile = join(root, "tests", "faults", "results", "faults.json");
const BEGIN = "<!-- The table is made by scripts/faults_readme.js -->";
const END = "<!-- The end of the table -->";

/**
 * What README must quote, and what it quotes, without what only changes the layout.
 *
 * @returns {{ wanted: string, actual: string }}
 */
export function compareTables() {
  const { begin, end, content } = findTable();
  return { wanted: plain(quoteOf(readResult())), actual: plain(content.slice(begin, end)) };
}

/** @returns {FaultsResult} */
function readResult() {
  return JSON.parse(readFileSync(resultFile, "utf8"));
}

/** @param {FaultsResult} result */
function quoteOf(result) {
  const date = result.date.slice(0, 10);
  const on = `On ${date}, ${result.machine}, seed ${result.seed}:`;
  return `\`\`\`sh\n${result.command}\n\`\`\`\n\n${on}\n\n${tableOf(result)}`;
}

function findTable() {
  const content = readFileSync(readme, "utf8");
  const begin = content.indexOf(BEGIN) + BEGIN.length;
  const end = content.indexOf(END);
  if (begin < BEGIN.length || end === -1) throw new Error(`README has no ${BEGIN} and ${END}`);
  return { begin, end, content };
}

/** @param {string} text */
function plain(text) {
  return text.replaceAll(/\s+/g, " ").replaceAll(/-{3,}/g, "---").trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { begin, end, content } = findTable();
  const quote = `\n\n${quoteOf(readResult())}\n\n`;
  writeFileSync(readme, content.slice(0, begin) + quote + content.slice(end));
  const { ok, output } = await run([(await deno()).executable, "fmt", readme]);
  if (!ok) throw new Error(output);
}
