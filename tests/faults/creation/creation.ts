import { join } from "node:path";
import { range } from "../../conformance/fixture.ts";
import type { WriterJob, Written } from "../../lmdb/children/writer.ts";
import { Child } from "../../processes/child.ts";
import { withDirectory } from "../../temporary_directory.ts";
import type { Fault, FaultOptions, FaultResult } from "../fault.ts";

const WRITERS = 4;
const MESSAGES = 3;

/** Processes that create the same database at once lose nothing. */
export const creation: Fault = {
  name: "creation",
  title: `${WRITERS} processes create the same database at once`,
  unit: "rounds",
  async run({ count, progress }: FaultOptions): Promise<FaultResult> {
    const failures: string[] = [];
    for (let round = 0; round < count; round++) {
      try {
        await withDirectory((directory) => createTogether(join(directory, "data")));
      } catch (error) {
        failures.push(`round ${round}: ${error}`);
      }
      progress(round + 1);
    }
    return { tried: count, failures };
  },
};

async function createTogether(path: string): Promise<void> {
  const writers = range(1, WRITERS).map((writer) => {
    const job: WriterJob = { path, writer: `${writer}`, actorIds: ["a"], count: MESSAGES };
    return new Child("lmdb/children/writer", job);
  });
  try {
    for (const writer of writers) {
      await writer.report();
      writer.go();
    }
    const numbers: number[] = [];
    for (const writer of writers) {
      numbers.push(...(await writer.report<Written>()).numbers);
      const { code, signal, errors } = await writer.ended;
      if (code !== 0) throw new Error(`a writer ended with ${signal ?? code}: ${errors}`);
    }
    numbers.sort((a, b) => a - b);
    const expected = range(0, WRITERS * MESSAGES - 1);
    if (`${numbers}` !== `${expected}`) throw new Error(`the numbers ${numbers} were given`);
  } finally {
    for (const writer of writers) await writer[Symbol.asyncDispose]();
  }
}
