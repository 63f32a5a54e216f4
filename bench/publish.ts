// Writes the tables and charts of bench/results/*.json: `node bench/publish.ts`.
import { writeFile } from "node:fs/promises";
import { drawCharts } from "./charts.ts";
import { describeRuntime, readResults, type Result, resultsDirectory } from "./result.ts";
import { joinResults } from "./side_by_side.ts";
import { writeTables } from "./tables.ts";

const results = await readResults();
const workloads = joinResults(results);
const charts = drawCharts(workloads, {
  columns: results.map(describeRuntime),
  footer: footerOf(results),
});
for (const { name, svg } of charts) await write(name, svg);
await write("README.md", writeTables(results, workloads));

async function write(name: string, content: string): Promise<void> {
  await writeFile(new URL(name, resultsDirectory), content);
  console.log(`bench/results/${name}`);
}

function footerOf([first]: readonly Result[]): string[] {
  if (first === undefined) return [];
  const { machine: { cpu, cores, fileSystem }, date, quick } = first;
  return [
    "Hatched: not a store, but what a store is held against, such as encoding alone. Lines: half of " +
    "the samples. Everybody flushes before acknowledging.",
    `${cpu}, ${cores} cores, ${fileSystem}, ${date.slice(0, 10)}. ` +
    `Made by: npm run bench:compare${
      quick ? " -- --quick, which measures too little to be quoted" : ""
    }`,
  ];
}
