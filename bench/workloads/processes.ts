// Several processes that append to one database at the same time.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { compare, type Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";
import { type Contestant, measureRates } from "../measure.ts";
import type { Appends } from "../processes_worker.ts";
import { runtime } from "../runtime.ts";
import type { Workload } from "./workload.ts";

const WORKER = fileURLToPath(
  new URL("../processes_worker.ts", import.meta.url),
);

interface Case {
  readonly processes: number;
  /** In each process. */
  readonly actors: number;
  /** In each round, by all processes together. */
  readonly messages: number;
  readonly wanted: number;
}

const CASES: readonly Case[] = [
  { processes: 2, actors: 100, messages: 40_000, wanted: 1.3 },
  { processes: 5, actors: 100, messages: 40_000, wanted: 1.3 },
  { processes: 2, actors: 1, messages: 1_000, wanted: 1 },
  { processes: 5, actors: 1, messages: 1_000, wanted: 1 },
];

/** Several processes on one database. */
export const processes: Workload = {
  name: "processes",
  title: "Several processes on one database, whose actors each await their own append",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const one of CASES) comparisons.push(await runCase(context, one));
    return comparisons;
  },
};

async function runCase(
  context: Context,
  { processes, actors, messages, wanted }: Case,
): Promise<Comparison> {
  await using resources = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (
    const [name, whose] of [["ours", "ours"], [
      "before the log",
      "before",
    ]] as const
  ) {
    const path = await context.directory("processes");
    const workers: Worker[] = [];
    for (let index = 0; index < processes; index++) {
      workers.push(
        resources.use(await Worker.start(path, whose, String(index))),
      );
    }
    contestants.push({
      name,
      kind: whose === "ours" ? "ours" : "peer",
      async run(operations) {
        const each = Math.ceil(operations / processes / actors);
        await Promise.all(
          workers.map((worker) => worker.append({ actors, each })),
        );
      },
    });
  }
  const measured = await measureRates(contestants, {
    rounds: context.quick ? 3 : 7,
    operations: context.quick ? messages / 4 : messages,
  });
  const each = actors === 1 ? "1 actor" : `${actors} actors`;
  return compare({
    name: `processes-${processes}x${actors}`,
    title: `120 B, ${processes} processes with ${each} each`,
    unit: "messages/s",
    measured,
    ours: "ours",
    others: ["before the log"],
    targets: [{ against: "before the log", bound: "at least", ratio: wanted }],
  });
}

/** A process that has the database open. */
class Worker implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  private constructor(args: readonly string[]) {
    const options = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
    this.#child = spawn(process.execPath, [...options, WORKER, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#lines = createInterface({ input: this.#child.stdout })
      [Symbol.asyncIterator]();
  }

  static async start(
    path: string,
    whose: string,
    prefix: string,
  ): Promise<Worker> {
    const worker = new Worker([path, whose, prefix]);
    await worker.#expect("open");
    return worker;
  }

  /** Appends, to the last one's end. */
  async append(appends: Appends): Promise<void> {
    this.#child.stdin.write(`${JSON.stringify(appends)}\n`);
    await this.#expect("done");
  }

  async #expect(line: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== line) throw new Error(`A process said ${value}, not ${line}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }
}
