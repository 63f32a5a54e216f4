// What the demo has to show in the end: a table and the proof.
import type { AirportState } from "./flights.ts";
import {
  bold,
  type Column,
  dim,
  formatNumber,
  green,
  layOutTable,
  printHeading,
  printLine,
  red,
} from "./output.ts";
import type { Proof } from "./proof.ts";

const ROWS = 8;
const MAX_PROBLEMS = 5;

const COLUMNS: readonly Column[] = [
  { title: "airport", align: "left" },
  { title: "departures", align: "right" },
  { title: "delayed", align: "right" },
  { title: "mean delay", align: "right" },
  { title: "worst", align: "right" },
  { title: "destinations", align: "right" },
  { title: "most to", align: "left" },
];

/** Prints the airports with the most departures. */
export function printBusiest(states: ReadonlyMap<string, AirportState>): void {
  const busiest = [...states].sort(([, a], [, b]) => b.flights - a.flights).slice(0, ROWS);
  const [titles = "", ...rows] = layOutTable(COLUMNS, busiest.map(rowOf));
  printHeading(`The busiest of ${formatNumber(states.size)} airports`);
  printLine(dim(titles));
  rows.forEach(printLine);
}

/** Prints every claim that was checked, and what speaks against it. */
export function printProof({ findings }: Proof): void {
  printHeading("Proof");
  for (const { claim, problems } of findings) {
    const holds = problems.length === 0;
    printLine(`${holds ? green("✓") : red("✗")} ${holds ? claim : bold(claim)}`);
    for (const problem of problems.slice(0, MAX_PROBLEMS)) printLine(`    ${problem}`);
    const more = problems.length - MAX_PROBLEMS;
    if (more > 0) printLine(`    and ${formatNumber(more)} more`);
  }
}

function rowOf([airport, state]: [string, AirportState]): string[] {
  const [mostTo = ""] = [...state.destinations]
    .sort(([, a], [, b]) => b.flights - a.flights)
    .map(([destination, { flights }]) => `${destination} (${formatNumber(flights)})`);
  return [
    airport,
    formatNumber(state.flights),
    `${formatNumber(100 * state.delayed / state.flights)} %`,
    `${formatNumber(state.totalDelay / state.flights, 1)} min`,
    `${formatNumber(state.maxDelay)} min`,
    formatNumber(state.destinations.size),
    mostTo,
  ];
}
