// The results as tables in Markdown.
import { chartFile, describeUnit } from "./charts.ts";
import type { Comparison, Figure } from "./comparison.ts";
import { factor, short } from "./numbers.ts";
import { describeSpread } from "./report.ts";
import { describeRuntime, type Result } from "./result.ts";
import type { JoinedComparison, JoinedWorkload } from "./side_by_side.ts";

/** All that was measured, with the charts. */
export function writeTables(
  results: readonly Result[],
  workloads: readonly JoinedWorkload[],
): string {
  const columns = results.map(describeRuntime);
  return [
    introduce(results),
    ...workloads.map((workload) => describeWorkload(workload, columns)),
  ].join("\n");
}

function introduce(results: readonly Result[]): string {
  const [first] = results;
  if (first === undefined) throw new Error("There are no results");
  const { machine, date, quick, versions } = first;
  const { SQLite: _, ...packages } = versions;
  return `# Results of the bench

Made by \`npm run bench:compare${quick ? " -- --quick" : ""}\` on ${
    date.slice(0, 10)
  }, on ${machine.cpu} with ${machine.cores} cores and ${machine.memoryGib} GiB of memory, ${machine.system}, ${machine.fileSystem}.${
    quick ? " A quick run measures too little to be quoted." : ""
  }

Each figure is the median of mitata's samples. In parentheses, and as a line in the charts, stands the
range of their middle half, with the p99 if there are many. Contestants take turns, round by round:
"3.10 ×" says that our figure is 3.10 times that one, as the median of the rounds' ratios. Everybody
flushes before acknowledging.

Versions: ${describePairs(packages)}.

${results.map(describePeers).join("\n")}
`;
}

function describePeers(result: Result): string {
  const { versions, unavailable } = result;
  const missing = Object.entries(unavailable).map(([peer, why]) =>
    ` Not measured: ${peer} (${why}).`
  );
  return `- ${describeRuntime(result)}: SQLite ${versions["SQLite"]}.${missing.join("")}`;
}

function describePairs(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs).map(([name, value]) => `${name} ${value}`).join(", ");
}

function describeWorkload(
  { name, title, comparisons }: JoinedWorkload,
  columns: readonly string[],
): string {
  return `## ${name}: ${title}

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${chartFile(name, "dark")}">
  <img alt="${title}, on ${columns.join(", ")}" src="${chartFile(name, "light")}">
</picture>

${comparisons.map((comparison) => describeComparison(comparison, columns)).join("\n")}`;
}

function describeComparison(comparison: JoinedComparison, columns: readonly string[]): string {
  const { name, title, unit, contestants } = comparison;
  const rows = contestants.map(({ name, figures }, index) => [
    index === 0 ? `**${name}**` : name,
    ...figures.map((figure) => describeFigure(figure, index === 0)),
  ]);
  const remarks = [
    ...describeTargets(comparison, columns),
    ...describeNotes(comparison, columns),
  ];
  return [
    `### ${name}`,
    "",
    `${title}; ${describeUnit(unit)}.`,
    "",
    tableRow(["", ...columns]),
    tableRow(["---", ...columns.map(() => "---:")]),
    ...rows.map(tableRow),
    "",
    ...(remarks.length > 0 ? [...remarks.map((remark) => `- ${remark}`), ""] : []),
  ].join("\n");
}

function describeFigure(figure: Figure | undefined, isOurs: boolean): string {
  if (figure === undefined) return "–";
  const middle = describeSpread(figure);
  const spread = middle && ` (${middle})`;
  const value = short(figure.p50);
  return isOurs ? `**${value}**${spread}` : `${value}${spread}, ${factor(figure.ratio)} ×`;
}

function describeTargets(
  { perRuntime }: JoinedComparison,
  columns: readonly string[],
): string[] {
  const outcomes = collect(
    perRuntime,
    (comparison, index) =>
      comparison.targets.map(({ against, bound, ratio, actual, reached }) => [
        `${bound} ${ratio} × ${against}`,
        `${columns[index]} ${factor(actual)} ×, ${reached ? "reached" : "**missed**"}`,
      ]),
  );
  return Array.from(outcomes, ([target, all]) => `Target ${target}: ${all.join("; ")}.`);
}

/** A note that is not the same on all runtimes begins with those that it is of. */
function describeNotes({ perRuntime }: JoinedComparison, columns: readonly string[]): string[] {
  const notes = collect(
    perRuntime,
    (comparison, index) => (comparison.notes ?? []).map((note) => [note, columns[index] ?? ""]),
  );
  return Array.from(
    notes,
    ([note, those]) => those.length === columns.length ? note : `${those.join(", ")}: ${note}`,
  );
}

/** Collects by a text what the runtimes say of it. */
function collect(
  perRuntime: JoinedComparison["perRuntime"],
  pick: (comparison: Comparison, index: number) => readonly (readonly [string, string])[],
): Map<string, string[]> {
  const collected = new Map<string, string[]>();
  perRuntime.forEach((comparison, index) => {
    for (const [text, value] of comparison ? pick(comparison, index) : []) {
      collected.set(text, [...collected.get(text) ?? [], value]);
    }
  });
  return collected;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
