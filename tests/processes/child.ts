import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { currentRuntime, type Runtime } from "./runtimes.ts";

/** A child that reports nothing for this long is killed as hanging, and what waits for it fails. */
const WATCHDOG_MS = 60_000;

/** How a child is started. */
export interface ChildOptions {
  /** What runs it. Default: the runtime that runs this file. */
  readonly runtime?: Runtime | undefined;
  /** The permissions of Deno, or the flags of Node. Default: all permissions, no flags. */
  readonly permissions?: readonly string[];
  /** A command line that the child's is appended to. */
  readonly wrapper?: readonly string[];
  /** Its working directory. Default: this process's. */
  readonly directory?: string;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it wrote to its standard error. */
  readonly errors: string;
}

/** A process that runs one of the scripts of the tests, which reports in lines of JSON. */
export class Child implements AsyncDisposable {
  /** How it ended, once it has. */
  readonly ended: Promise<ChildEnd>;

  readonly #process: ChildProcess;
  readonly #reports: unknown[] = [];
  #waiting: (() => void)[] = [];
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #errors = "";
  #end: ChildEnd | undefined;

  /**
   * @param script Its path in `tests/`, without its extension, such as `"lmdb/children/writer"`.
   * @param job What the script is to do.
   * @param options How it is started.
   */
  constructor(script: string, job: object, options: ChildOptions = {}) {
    const [command = "", ...args] = commandLine(script, job, options);
    this.#process = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.directory !== undefined && { cwd: options.directory }),
    });
    this.ended = this.#watch();
  }

  /**
   * The next report of the child, whatever it says.
   *
   * @returns The report, or `undefined` if the child has ended and reported no more.
   */
  async next(): Promise<unknown> {
    while (this.#reports.length === 0 && !this.#end) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#reports.shift();
  }

  /**
   * The next report of a child that must not have ended.
   *
   * @typeParam Report What the script reports at this point.
   * @returns The report.
   */
  async report<Report>(): Promise<Report> {
    const report = await this.next();
    if (report === undefined) throw new Error(`the child ended: ${JSON.stringify(this.#end)}`);
    // The scripts and their callers agree on it.
    return report as Report;
  }

  /** The id of its process. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /**
   * Sends it a signal. Not by way of the child's object: Deno closes the input of a child first, and
   * takes it for dead if it is only stopped.
   */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    if (this.#end || this.#process.pid === undefined) return;
    try {
      process.kill(this.#process.pid, signal);
    } catch {
      // It has ended by itself, as `ended` is about to say.
    }
  }

  /** Lets a child go on that waits for permission. */
  go(): void {
    this.#process.stdin?.end();
  }

  /** Kills the child at once: it can do nothing about it. */
  async kill(): Promise<ChildEnd> {
    this.signal("SIGKILL");
    return await this.ended;
  }

  /** Kills the child if it has not ended by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #watch(): Promise<ChildEnd> {
    const { stdin, stdout, stderr } = this.#process;
    if (!stdin || !stdout || !stderr) throw new Error("the child has no pipes");
    // Writing fails once the child is killed, but `ended` says that already.
    stdin.on("error", () => {});
    stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    createInterface({ input: stdout }).on("line", (line) => this.#receive(line));
    this.#feedWatchdog();
    try {
      this.#end = await new Promise<ChildEnd>((resolve) => {
        const end = (code: number | null, signal: string | null) =>
          resolve({ code, signal, errors: this.#errors });
        this.#process.on("close", end);
        this.#process.on("error", (error) => {
          this.#errors += error;
          end(null, null);
        });
      });
      return this.#end;
    } finally {
      clearTimeout(this.#watchdog);
      this.#wake();
    }
  }

  #feedWatchdog(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#errors += `\nkilled because it reported nothing for ${WATCHDOG_MS} ms`;
      this.#process.kill("SIGKILL");
    }, WATCHDOG_MS);
  }

  #receive(line: string): void {
    if (!this.#end) this.#feedWatchdog();
    try {
      this.#reports.push(JSON.parse(line));
    } catch {
      // The line was cut off when the child was killed.
      return;
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function commandLine(
  script: string,
  job: object,
  { runtime = currentRuntime, permissions, wrapper = [] }: ChildOptions,
): string[] {
  // Compiled scripts are next to compiled tests.
  const extension = extname(fileURLToPath(import.meta.url));
  const file = fileURLToPath(new URL(`../${script}${extension}`, import.meta.url));
  const run = runtime.name === "deno"
    ? ["run", "--cached-only", "--no-prompt", ...permissions ?? ["-A"]]
    : permissions ?? [];
  return [...wrapper, runtime.executable, ...run, file, JSON.stringify(job)];
}
