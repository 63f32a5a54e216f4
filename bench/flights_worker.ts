// Ingests flights in a process of its own, so that its memory is that of nothing else. Arguments: a
// directory, how many flights, and how: "airports" or "stream". Writes a JSON object.
import process from "node:process";
import { type Flight, readFlights } from "./flights.ts";
import { type Memory, memoryNow, Progress } from "./progress.ts";
import { openProvider } from "./runtime.ts";
import type { MessageJournal } from "../mod.ts";

/** What was measured. */
export interface IngestionFigures {
  readonly flights: number;
  readonly actors: number;
  readonly seconds: number;
  readonly readingSeconds: number;
  /** Of the first tenth, the second one, and so on: flights per second. */
  readonly tenths: readonly number[];
  /** The memory of the process: at its start, and the most while reading alone and ingesting. */
  readonly startMemory: Memory;
  readonly readingMemory: Memory;
  readonly ingestionMemory: Memory;
}

type Chunks = AsyncIterable<Flight[]>;
type Ingest = (
  journal: MessageJournal<Flight>,
  chunks: Chunks,
) => Promise<void>;

const ways: Readonly<Record<string, Ingest>> = {
  airports: intoAirports,
  stream: throughStream,
};

await main();

async function main(): Promise<void> {
  const [path = "", count = "", way = ""] = process.argv.slice(2);
  const ingest = ways[way];
  if (ingest === undefined) {
    throw new Error(`There is no way ${way} of ingesting flights`);
  }
  console.log(
    JSON.stringify(await measureIngestion(path, Number(count), ingest)),
  );
}

async function measureIngestion(
  path: string,
  count: number,
  ingest: Ingest,
): Promise<IngestionFigures> {
  await using provider = await openProvider({ path });
  const journal = provider.createMessageJournal<Flight>();
  const startMemory = memoryNow();
  // Reading needs memory, too, and how much of it is garbage is up to the runtime. So it is read
  // once before, and what counts is what ingestion adds to that.
  const reading = new Progress(count);
  for await (const _ of reading.watch(readFlights(count)));
  reading.end();
  const ingestion = new Progress(count);
  await ingest(journal, ingestion.watch(readFlights(count)));
  ingestion.end();
  return {
    flights: ingestion.count,
    actors: ingestion.origins.size,
    seconds: ingestion.seconds,
    readingSeconds: reading.seconds,
    tenths: ingestion.tenths,
    startMemory,
    readingMemory: reading.peak,
    ingestionMemory: ingestion.peak,
  };
}

/** Each flight into the journal of its airport; the batches of a chunk share commits. */
async function intoAirports(
  journal: MessageJournal<Flight>,
  chunks: Chunks,
): Promise<void> {
  for await (const chunk of chunks) {
    const byAirport = new Map<string, Flight[]>();
    for (const flight of chunk) {
      const own = byAirport.get(flight.origin);
      if (own) own.push(flight);
      else byAirport.set(flight.origin, [flight]);
    }
    await Promise.all(
      Array.from(
        byAirport,
        ([origin, flights]) => journal.appendBatch(origin, flights),
      ),
    );
  }
}

/** All flights into one journal, through its stream. */
async function throughStream(
  journal: MessageJournal<Flight>,
  chunks: Chunks,
): Promise<void> {
  await streamOf(chunks).pipeTo(journal.writable("flights"));
}

function streamOf(chunks: Chunks): ReadableStream<Flight> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else for (const flight of value) controller.enqueue(flight);
    },
  });
}
