// The table that a run of the fault rig ends with, on the terminal and in the documents.
import { hasFailed } from "./faults_child.js";

/** @import { CarriedOut, FaultDescription, FaultRun } from "./faults_child.js" */

const HEAD = ["what was tried", "how often", "on", "when", "failed"];

/**
 * The table as Markdown, which reads well on a terminal too.
 *
 * @param {readonly CarriedOut[]} faults
 */
export function tableOf(faults) {
  const rows = [HEAD, ...faults.map(rowOf)];
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length))
  );
  const lines = rows.map((row) =>
    lineOf(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)))
  );
  const rule = lineOf(widths.map((width) => "-".repeat(width)));
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

/** @param {CarriedOut} fault */
function rowOf(fault) {
  const done = fault.runs.filter(({ unavailable }) => unavailable === undefined);
  const [first] = fault.runs;
  const day = fault.date.slice(0, 10);
  if (done.length === 0) return [fault.title, "skipped", first?.unavailable ?? "", day, ""];
  const tried = done.reduce((sum, run) => sum + run.tried, 0);
  return [
    fault.title,
    `${tried.toLocaleString("en")} ${fault.unit}`,
    done.map(({ runtime }) => nameOf(runtime)).join(", "),
    day,
    outcomeOf(fault, done),
  ];
}

/** @param {FaultDescription} fault @param {readonly FaultRun[]} runs */
function outcomeOf(fault, runs) {
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  const crashes = runs.filter(({ crash }) => crash !== undefined).length;
  if (crashes > 0) return `${failed}, CRASHED`;
  if (!fault.expectsFailures) return failed.toLocaleString("en");
  const isBad = runs.some((run) => hasFailed(fault, run));
  return isBad ? `${failed}, which is TOO FEW` : `${failed.toLocaleString("en")}, as they must`;
}

/** @param {string} label such as "node-20.20.2" */
function nameOf(label) {
  const [kind = "", ...version] = label.split("-");
  return `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${version.join("-")}`.trim();
}

/** @param {readonly string[]} cells */
function lineOf(cells) {
  return `| ${cells.join(" | ")} |`;
}
