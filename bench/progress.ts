// How an ingestion goes on.
import { readFileSync } from "node:fs";
import process from "node:process";
import type { Flight } from "./flights.ts";

const TENTHS = 10;
const KIB = 1_024;

/** Memory of a process, in bytes. */
export interface Memory {
  rss: number;
  /**
   * What is its own: without the pages of files that are mapped, such as those of a database, which
   * the system takes back when somebody else needs them. The same as `rss` where it is not known.
   */
  anonymous: number;
}

/** How fast flights go by, and how much memory that takes. */
export class Progress {
  readonly origins: Set<string> = new Set();
  /** Of each tenth: flights per second. */
  readonly tenths: number[] = [];
  count = 0;
  seconds = 0;
  /** The most memory that the process has had. */
  readonly peak: Memory = { rss: 0, anonymous: 0 };
  readonly #total: number;
  readonly #startedAt = performance.now();
  #tenthStartedAt = performance.now();
  #tenthCount = 0;

  constructor(total: number) {
    this.#total = total;
  }

  async *watch(chunks: AsyncIterable<Flight[]>): AsyncGenerator<Flight[]> {
    for await (const chunk of chunks) {
      yield chunk;
      // Once the next chunk is asked for, this one is done, but for what is in flight.
      this.count += chunk.length;
      for (const { origin } of chunk) this.origins.add(origin);
      this.#sample();
      const isLast = this.tenths.length === TENTHS - 1;
      if (
        !isLast && this.count >= (this.tenths.length + 1) * this.#total / TENTHS
      ) this.end();
    }
  }

  /** Ends a tenth. The last one ends when everything is durable. */
  end(): void {
    const now = performance.now();
    const flights = this.count - this.#tenthCount;
    this.tenths.push(flights / ((now - this.#tenthStartedAt) / 1_000));
    this.#tenthStartedAt = now;
    this.#tenthCount = this.count;
    this.seconds = (now - this.#startedAt) / 1_000;
    this.#sample();
  }

  #sample(): void {
    const { rss, anonymous } = memoryNow();
    this.peak.rss = Math.max(this.peak.rss, rss);
    this.peak.anonymous = Math.max(this.peak.anonymous, anonymous);
  }
}

/** The memory of this process. */
export function memoryNow(): Memory {
  const { rss } = process.memoryUsage();
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    const kibibytes = /^RssAnon:\s+(\d+) kB/m.exec(status)?.[1];
    return {
      rss,
      anonymous: kibibytes === undefined ? rss : Number(kibibytes) * KIB,
    };
  } catch {
    return { rss, anonymous: rss };
  }
}
