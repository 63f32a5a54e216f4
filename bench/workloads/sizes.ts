// Bulk appends of messages of different sizes, about as many bytes in each batch.
import type { Comparison } from "../comparison.ts";
import type { MessageBytes } from "../messages.ts";
import { compareBulk } from "./bulk.ts";
import type { Workload } from "./workload.ts";

interface Size {
  readonly messageBytes: MessageBytes;
  readonly label: string;
  readonly batchSize: number;
  /** In each round, by each contestant. */
  readonly messages: number;
}

/** 120 B is measured with every size of batches in the workload `bulk`. */
const SIZES: readonly Size[] = [
  { messageBytes: 30, label: "30B", batchSize: 1_000, messages: 100_000 },
  { messageBytes: 1_024, label: "1KB", batchSize: 200, messages: 20_000 },
  { messageBytes: 65_536, label: "64KB", batchSize: 50, messages: 500 },
];

/** Sizes of messages. */
export const sizes: Workload = {
  name: "sizes",
  title: "Batches of messages of different sizes",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const { messageBytes, label, batchSize, messages } of SIZES) {
      comparisons.push(
        ...await compareBulk(context, {
          name: `size-${label}`,
          batchSize,
          messageBytes,
          effort: {
            rounds: context.quick ? 3 : 7,
            operations: context.quick ? messages * 0.2 : messages,
          },
        }),
      );
    }
    return comparisons;
  },
};
