/**
 * Running out: of disk, quota, inodes, map, places for readers, file handles, memory. Each round is a
 * process of its own, which may not crash.
 *
 * @module
 */

import { join } from "node:path";
import { Child } from "../../processes/child.ts";
import { fileSizeLimit } from "../../processes/file_size_limit.ts";
import { type Restriction, withLimit, withSmallFileSystem } from "../../processes/restrictions.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";
import { compileShim, shimUnavailable } from "../shim.ts";
import type { ExhaustionJob } from "./child.ts";
import type { ExhaustionKind, ExhaustionReport } from "./scenarios.ts";

const UNRESTRICTED: Restriction = { wrapper: [], unavailable: undefined };
const DISK_BYTES = 4 * 2 ** 20;
/** Enough for a few databases. */
const INODES = 64;
/** What a child wrote first tells most. */
const MAX_SHOWN = 2_000;
/** Node opens the modules of a program nearly all at once; the child takes what it leaves. */
const HANDLE_LIMIT = "ulimit -n 256";

/** What makes a child run out, by what it runs out of; and the directory that it works in. */
const KINDS: readonly [ExhaustionKind, (path: string) => Restriction][] = [
  ["disk full", (path) => withSmallFileSystem(path, DISK_BYTES)],
  ["quota used up", (path) => withQuota(path, DISK_BYTES)],
  ["no inodes", (path) => withSmallFileSystem(path, 4 * DISK_BYTES, INODES)],
  ["file size limit", () => withLimit(fileSizeLimit(DISK_BYTES))],
  ["map full", () => UNRESTRICTED],
  ["too many readers", () => UNRESTRICTED],
  ["no file handles", () => withLimit(HANDLE_LIMIT)],
  ["huge value", () => UNRESTRICTED],
];

/** What runs out is told, and nothing else is lost. */
export const exhaustion: Fault = {
  name: "exhaustion",
  title: "Disk, quota, inodes, map, readers, file handles or memory run out",
  unit: "rounds",
  async run({ seed, count, progress }: FaultOptions): Promise<FaultResult> {
    const failures: string[] = [];
    const figures = new Map<string, number | string>();
    const add = (name: string, times: number) =>
      figures.set(name, Number(figures.get(name) ?? 0) + times);
    let tried = 0;
    for (let index = 0; index < count; index++) {
      const roundSeed = (seed + index) >>> 0;
      const [kind, restrict] = KINDS[roundSeed % KINDS.length] ?? ["map full", () => UNRESTRICTED];
      await withDirectory(async (path) => {
        const { wrapper, unavailable } = restrict(path);
        if (unavailable !== undefined) return void figures.set(`${kind}: skipped`, unavailable);
        const report = await runRound({ kind, path, seed: roundSeed }, wrapper);
        tried++;
        for (const problem of report.problems) {
          failures.push(`${kind}, seed ${roundSeed}: ${problem}`);
        }
        add("acknowledged", report.acknowledged);
        for (const [code, times] of Object.entries(report.refused)) add(`${kind}: ${code}`, times);
      });
      progress(index + 1);
    }
    return { tried, failures, figures: Object.fromEntries(figures) };
  },
};

/** Lets a child store no more in a directory, like a file system with quotas: with EDQUOT. */
function withQuota(path: string, bytes: number): Restriction {
  const unavailable = shimUnavailable("exhaustion");
  if (unavailable !== undefined) return { wrapper: [], unavailable };
  const shim = join(path, "quota.so");
  compileShim("exhaustion", shim);
  const environment = [
    `LD_PRELOAD=${shim}`,
    `QUOTA_DIRECTORY=${path}`,
    `QUOTA_BYTES=${bytes}`,
  ];
  return { wrapper: ["env", ...environment], unavailable: undefined };
}

async function runRound(
  job: ExhaustionJob,
  wrapper: readonly string[],
): Promise<ExhaustionReport> {
  await using child = new Child("faults/exhaustion/child", job, { wrapper });
  const told = await child.next();
  const { code, signal, errors } = await child.ended;
  if (errors.includes("Write error")) {
    const problem = `LMDB could not write: ${errors.slice(0, MAX_SHOWN)}`;
    if (job.kind !== "quota used up") return failed(problem);
    // A write that fails damages the memory of the process now and then: see docs/format.md.
    if (signal === "SIGABRT") return { problems: [], acknowledged: 0, refused: { SIGABRT: 1 } };
  }
  // The script and this file agree on what it reports.
  if (code === 0 && told !== undefined) return told as ExhaustionReport;
  // Whether it has reported tells whether it was about to end anyway.
  const when = told === undefined
    ? "before its report"
    : `after its report ${JSON.stringify(told)}`;
  return failed(`ended with ${signal ?? code} ${when}: ${errors.slice(0, MAX_SHOWN)}`);
}

function failed(problem: string): ExhaustionReport {
  return { problems: [problem], acknowledged: 0, refused: {} };
}
