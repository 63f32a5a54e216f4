// Three million real flights, read from a parquet file in bounded memory.
import { fileURLToPath } from "node:url";

/** A flight: a message in the journal of the airport that it starts from. */
export interface Flight {
  readonly date: Date;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** How many flights the file has. */
export const FLIGHT_COUNT = 3_000_000;

/** So many flights are made at once. */
const CHUNK_FLIGHTS = 5_000;

type Column = ArrayLike<unknown>;

/** The part of the package `hyparquet` that is used. */
interface ParquetModule {
  asyncBufferFromFile(path: string): Promise<unknown>;
  parquetScan(options: { file: unknown; compressors: unknown }): Promise<{
    ranges: readonly { rowStart: number; rowEnd: number }[];
    readColumn(
      range: { column: string; rowStart: number; rowEnd: number },
    ): Promise<Column>;
  }>;
}

interface CompressorsModule {
  readonly compressors: unknown;
}

/** Reads the first flights of the file, in its order, a few thousand at a time. */
export async function* readFlights(
  count: number = FLIGHT_COUNT,
): AsyncGenerator<Flight[]> {
  const { asyncBufferFromFile, parquetScan } = await load<ParquetModule>(
    "hyparquet",
  );
  const { compressors } = await load<CompressorsModule>(
    "hyparquet-compressors",
  );
  const file = await asyncBufferFromFile(
    fileURLToPath(
      new URL(
        "../data/flights-3m.parquet",
        import.meta.resolve("vega-datasets"),
      ),
    ),
  );
  const scan = await parquetScan({ file, compressors });
  let rest = count;
  for (const { rowStart, rowEnd } of scan.ranges) {
    const read = (column: string): Promise<Column> => scan.readColumn({ column, rowStart, rowEnd });
    // One after the other, so that what is needed to decode one is free again for the next.
    const columns: Columns = {
      date: await read("date"),
      delay: await read("delay"),
      distance: await read("distance"),
      origin: await read("origin"),
      destination: await read("destination"),
    };
    const rows = Math.min(rest, rowEnd - rowStart);
    for (let start = 0; start < rows; start += CHUNK_FLIGHTS) {
      const length = Math.min(CHUNK_FLIGHTS, rows - start);
      yield Array.from(
        { length },
        (_, index) => flightOf(columns, start + index),
      );
    }
    rest -= rows;
    if (rest === 0) return;
  }
}

type Columns = Readonly<Record<keyof Flight, Column>>;

function flightOf(columns: Columns, row: number): Flight {
  return {
    date: columns.date[row] as Date,
    delay: Number(columns.delay[row]),
    distance: Number(columns.distance[row]),
    origin: String(columns.origin[row]),
    destination: String(columns.destination[row]),
  };
}

/** A type checker must not look for them: they are installed for the bench only. */
async function load<Module>(specifier: string): Promise<Module> {
  return await import(specifier);
}
