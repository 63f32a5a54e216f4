// What the demo proves. Every find function returns, in words, what speaks against a claim.
import { inspect, isDeepStrictEqual } from "node:util";
import type { JournalEntry } from "../../mod.ts";
import type { AirportState, Departure, Flight } from "./flights.ts";
import type { Acknowledgement } from "./reports.ts";

/** The journals of all airports, each from its first entry to its last. */
export type Journals = ReadonlyMap<string, readonly JournalEntry<Departure>[]>;

/** A claim, and what speaks against it. */
export interface Finding {
  readonly claim: string;
  readonly problems: readonly string[];
}

/** That a claim of the demo does not hold. */
export class ProofError extends Error {
  override readonly name: string = "ProofError";
}

/** The claims that were checked, up to the first that does not hold. */
export class Proof {
  readonly findings: Finding[] = [];

  /**
   * Checks a claim.
   *
   * @throws {ProofError} If a problem speaks against it.
   */
  check(claim: string, problems: readonly string[]): void {
    this.findings.push({ claim, problems });
    if (problems.length > 0) throw new ProofError(`this does not hold: ${claim}`);
  }
}

/** Acknowledged messages that are not in their journal, at their number, as the file has them. */
export function findLost(
  acknowledgements: readonly Acknowledgement[],
  journals: Journals,
  flights: readonly Flight[],
): string[] {
  return acknowledgements.flatMap(({ airport, sequenceNumber, index }) => {
    const entry = journals.get(airport)?.[sequenceNumber];
    const sent = flights[index]?.departure;
    const isThere = entry?.sequenceNumber === sequenceNumber &&
      isDeepStrictEqual(entry.message, sent);
    if (isThere) return [];
    const place = `journal ${airport} at ${sequenceNumber}`;
    return [`${place}: ${describe(entry?.message)} is there, ${describe(sent)} was acknowledged`];
  });
}

/**
 * Entries that are not the departure that the file has at this place. No two departures in the file
 * are the same, so one that is in a journal twice is found here at least once.
 */
export function findMisplaced(
  journals: Journals,
  airports: ReadonlyMap<string, readonly Flight[]>,
): string[] {
  const problems: string[] = [];
  for (const [airport, entries] of journals) {
    const flights = airports.get(airport) ?? [];
    entries.forEach(({ sequenceNumber, message }, place) => {
      const expected = flights[place]?.departure;
      if (sequenceNumber === place && isDeepStrictEqual(message, expected)) return;
      const entry = `journal ${airport}, entry ${place}, number ${sequenceNumber}`;
      problems.push(`${entry}: is ${describe(message)}, should be ${describe(expected)}`);
    });
  }
  return problems;
}

/** Journals that end before all departures of their airport are in them. */
export function findIncomplete(
  journals: Journals,
  airports: ReadonlyMap<string, readonly Flight[]>,
): string[] {
  const problems: string[] = [];
  for (const [airport, flights] of airports) {
    const length = journals.get(airport)?.length ?? 0;
    if (length < flights.length) {
      problems.push(`journal ${airport}: ${length} messages, not ${flights.length}`);
    }
  }
  return problems;
}

/** Fields in which states differ from those that are expected. */
export function findDifferences(
  actual: ReadonlyMap<string, AirportState>,
  expected: ReadonlyMap<string, AirportState>,
): string[] {
  const airports = new Set([...expected.keys(), ...actual.keys()]);
  return [...airports].flatMap((airport) => {
    const is = actual.get(airport);
    const shouldBe = expected.get(airport);
    if (!is) return [`state of ${airport}: is missing`];
    if (!shouldBe) return [`state of ${airport}: should not be there`];
    const differences = differencesIn(is, shouldBe, "");
    return differences.length > 0 ? [`state of ${airport}: ${differences.join("; ")}`] : [];
  });
}

/** Goes into objects and maps, so that what it says stays short. */
function differencesIn(is: unknown, shouldBe: unknown, path: string): string[] {
  if (isDeepStrictEqual(is, shouldBe)) return [];
  const fields = fieldsOf(is);
  const expected = fieldsOf(shouldBe);
  const names = fields && expected ? new Set([...expected.keys(), ...fields.keys()]) : [];
  const inside = [...names].flatMap((name) =>
    differencesIn(fields?.get(name), expected?.get(name), `${path}${name} `)
  );
  return inside.length > 0 ? inside : [`${path}is ${inspect(is)}, not ${inspect(shouldBe)}`];
}

function fieldsOf(value: unknown): ReadonlyMap<unknown, unknown> | undefined {
  if (value instanceof Map) return value;
  return typeof value === "object" && value ? new Map(Object.entries(value)) : undefined;
}

function describe(departure: Departure | undefined): string {
  if (!departure) return "nothing";
  const { origin, destination, date, delay, distance } = departure;
  return `${origin}-${destination} ${date.toISOString()} (${delay} min, ${distance} miles)`;
}
