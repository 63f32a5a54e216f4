import { readFileSync } from "node:fs";
import process from "node:process";

/** The memory of this process in bytes; on Linux without files that are mapped. */
export function memoryBytes(): number {
  if (process.platform !== "linux") return process.memoryUsage().rss;
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return kib === undefined ? process.memoryUsage().rss : Number(kib) * 1024;
}
