// What the demo prints: headings, aligned lines, a table, and a progress bar.
import process from "node:process";

const BAR_WIDTH = 40;
const MIN_REDRAW_MS = 50;
/** Without a terminal, a line for every quarter is enough. */
const PLAIN_STEPS = 4;

const terminal = process.stdout.isTTY === true;
const colored = terminal && !process.env["NO_COLOR"];

const paint = (code: number) => (text: string): string =>
  colored ? `\x1b[${code}m${text}\x1b[0m` : text;

/** Makes text bold. */
export const bold: (text: string) => string = paint(1);
/** Makes text dim. */
export const dim: (text: string) => string = paint(2);
/** Makes text red, for what failed. */
export const red: (text: string) => string = paint(31);
/** Makes text green, for what holds. */
export const green: (text: string) => string = paint(32);

/** Begins a section. */
export function printHeading(text: string): void {
  console.log(`\n${bold(text)}`);
}

/** Prints a line of a section. */
export function printLine(text: string): void {
  console.log(`  ${text}`);
}

/** A number with thousands separators. */
export function formatNumber(value: number, fractionDigits = 0): string {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: fractionDigits,
    maximumFractionDigits: fractionDigits,
  });
}

/** A column of a table: its title, and how its cells are aligned. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** The lines of a table: titles and rows. */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const titles = columns.map(({ title }) => title);
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  return [titles, ...rows].map((row) =>
    columns.map(({ align }, column) => {
      const cell = row[column] ?? "";
      const width = widths[column] ?? 0;
      return align === "left" ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  );
}

/** A progress bar on a terminal, and a few plain lines elsewhere. */
export class ProgressBar {
  readonly #label: string;
  readonly #total: number;
  #done: number;
  #shownStep: number;
  #drawnAt = -Infinity;

  /**
   * @param label What is counted.
   * @param total How many there are.
   * @param done How many are done already.
   */
  constructor(label: string, total: number, done: number) {
    this.#label = label;
    this.#total = total;
    this.#done = done;
    this.#shownStep = this.#step;
  }

  /** Counts more that are done, and shows it now and then. */
  add(count: number): void {
    this.#done += count;
    if (terminal) {
      const now = performance.now();
      if (now - this.#drawnAt < MIN_REDRAW_MS) return;
      this.#drawnAt = now;
      process.stdout.write(`\r  ${this.#render()}`);
    } else if (this.#step > this.#shownStep) {
      this.#shownStep = this.#step;
      printLine(this.#render());
    }
  }

  /** Shows the final count. */
  end(): void {
    if (terminal) process.stdout.write(`\r  ${this.#render()}\n`);
  }

  get #step(): number {
    return Math.floor(PLAIN_STEPS * this.#done / this.#total);
  }

  #render(): string {
    const share = this.#done / this.#total;
    const bar = "█".repeat(BAR_WIDTH * share).padEnd(BAR_WIDTH, "░");
    const percent = formatNumber(Math.floor(100 * share)).padStart(3);
    return `${bar} ${percent} %  ${formatNumber(this.#done)} ${this.#label}`;
  }
}
