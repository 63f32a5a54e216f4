// What a workload is.
import type { Comparison } from "../comparison.ts";
import type { Context } from "../context.ts";

/** Something that users do with a journal, measured on us and on what they might pick instead. */
export interface Workload {
  /** What selects it on the command line. */
  readonly name: string;
  /** What it does, in words. */
  readonly title: string;
  run(context: Context): Promise<readonly Comparison[]>;
}
