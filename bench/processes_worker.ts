// One of several processes that append to one database. Arguments: a directory, whose store it is
// ("ours" or "before"), and what the names of its actors begin with. Each line of standard input asks
// for appends; the answer is a line, once all are durable.
import { createInterface } from "node:readline";
import process from "node:process";
import { MessagePackCodec } from "../mod.ts";
import { circulate, makeMessages } from "./messages.ts";
import { BeforeStore } from "./peers/before.ts";
import { OurStore } from "./peers/ours.ts";

/** What a line asks for. */
export interface Appends {
  readonly actors: number;
  /** How many messages each of them appends, one awaited after the other. */
  readonly each: number;
}

const [path = "", whose, prefix = ""] = process.argv.slice(2);
const place = {
  codec: new MessagePackCodec(),
  directory: () => Promise.resolve(path),
};
const store = await (whose === "ours" ? OurStore.open(place) : BeforeStore.open(place));
const next = circulate(makeMessages(120));
console.log("open");
for await (const line of createInterface({ input: process.stdin })) {
  const { actors, each }: Appends = JSON.parse(line);
  await Promise.all(Array.from({ length: actors }, async (_, index) => {
    for (let done = 0; done < each; done++) {
      await store.append(`${prefix}-${index}`, next());
    }
  }));
  console.log("done");
}
await store[Symbol.asyncDispose]();
