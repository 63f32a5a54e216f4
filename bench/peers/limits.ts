// What no store can beat: encoding and decoding alone, with the codec that all use.
import type { Context } from "../context.ts";
import type { Contestant } from "../measure.ts";
import { circulate, encodeAll, type MessageBytes } from "../messages.ts";

/** Encodes each message, and stores nothing. */
export function encodingAlone(
  context: Context,
  bytes: MessageBytes,
): Contestant {
  const next = circulate(context.messages(bytes));
  let total = 0;
  return {
    name: "encoding alone",
    kind: "limit",
    run(operations) {
      for (let index = 0; index < operations; index++) {
        total += context.codec.encode(next()).length;
      }
      if (total === 0) throw new Error("Nothing was encoded");
    },
  };
}

/** Encodes each message, and makes a promise for each that is resolved when all are there. */
export function encodingWithPromises(
  context: Context,
  bytes: MessageBytes,
): Contestant {
  const next = circulate(context.messages(bytes));
  return {
    name: "encoding and a promise each",
    kind: "limit",
    async run(operations) {
      let total = 0;
      const promises: Promise<number>[] = [];
      const resolves: ((value: number) => void)[] = [];
      for (let index = 0; index < operations; index++) {
        total += context.codec.encode(next()).length;
        promises.push(new Promise((resolve) => resolves.push(resolve)));
      }
      resolves.forEach((resolve, index) => resolve(index));
      await Promise.all(promises);
      if (total === 0) throw new Error("Nothing was encoded");
    },
  };
}

/** Decodes each message from memory. */
export function decodingAlone(
  context: Context,
  bytes: MessageBytes,
): Contestant {
  const next = circulate(encodeAll(context.codec, context.messages(bytes)));
  let found = 0;
  return {
    name: "decoding alone",
    kind: "limit",
    run(operations) {
      for (let index = 0; index < operations; index++) {
        if (context.codec.decode(next()) !== undefined) found++;
      }
      if (found === 0) throw new Error("Nothing was decoded");
    },
  };
}
