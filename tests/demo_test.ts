import assert from "node:assert/strict";
import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import type { JournalEntry } from "../core/ports/journal.ts";
import { recoverStates, startAirport } from "../examples/flights/airports.ts";
import {
  addDeparture,
  type Departure,
  emptyState,
  groupByAirport,
  numberFlights,
  readFlights,
  statesAfter,
} from "../examples/flights/flights.ts";
import { layOutTable } from "../examples/flights/output.ts";
import {
  findDifferences,
  findIncomplete,
  findLost,
  findMisplaced,
  type Journals,
  Proof,
  ProofError,
} from "../examples/flights/proof.ts";
import {
  type Acknowledgement,
  decodeStates,
  encodeStates,
  readReports,
} from "../examples/flights/reports.ts";
import { test } from "./harness.ts";
import { runExample } from "./run_example.ts";

function departure(origin: string, destination: string, minute: number, delay = 0): Departure {
  const date = new Date(Date.UTC(2001, 0, 1, 0, minute));
  return { date, delay, distance: 100, origin, destination };
}

const flights = numberFlights([
  departure("DFW", "ORD", 0, 10),
  departure("LAX", "DFW", 1, -5),
  departure("DFW", "LAX", 2, -3),
  departure("DFW", "ORD", 3, 20),
]);
const airports = groupByAirport(flights);

function journalsOf(...messages: readonly Departure[]): Journals {
  const entries = numberFlights(messages).map(({ departure: message, sequenceNumber }) => ({
    actorId: message.origin,
    sequenceNumber,
    message,
    timestamp: new Date(0),
  }));
  return new Map<string, JournalEntry<Departure>[]>(
    ["DFW", "LAX"].map((airport) => [airport, entries.filter((e) => e.actorId === airport)]),
  );
}

function acknowledge(index: number): Acknowledgement {
  const flight = flights[index];
  assert.ok(flight);
  const { departure: { origin: airport }, sequenceNumber } = flight;
  return { type: "acknowledged", airport, sequenceNumber, index, inFlight: 0 };
}

const [first, second, third, fourth] = flights.map(({ departure }) => departure);
assert.ok(first && second && third && fourth);
const whole = journalsOf(first, second, third, fourth);

test("demo: the file has 20,000 departures, all different, in the order of time", async () => {
  const read = await readFlights();
  assert.equal(read.length, 20_000);
  assert.equal(new Set(read.map(({ departure }) => JSON.stringify(departure))).size, 20_000);
  assert.equal(read[0]?.departure.date.toISOString(), "2001-01-01T00:47:00.000Z");
  const times = read.map(({ departure }) => departure.date.getTime());
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
});

test("demo: a departure's number is its place among those of its airport", () => {
  assert.deepEqual(flights.map(({ sequenceNumber }) => sequenceNumber), [0, 0, 1, 2]);
  assert.deepEqual(flights.map(({ index }) => index), [0, 1, 2, 3]);
});

test("demo: a state counts what its airport has seen", () => {
  assert.deepEqual(statesAfter(flights).get("DFW"), {
    flights: 3,
    delayed: 2,
    totalDelay: 27,
    minDelay: -3,
    maxDelay: 20,
    first: first.date,
    last: fourth.date,
    destinations: new Map([
      ["ORD", { flights: 2, totalDelay: 30 }],
      ["LAX", { flights: 1, totalDelay: -3 }],
    ]),
  });
});

test("demo: nothing speaks against journals and states that are right", () => {
  assert.deepEqual(findLost([0, 1, 2, 3].map(acknowledge), whole, flights), []);
  assert.deepEqual(findMisplaced(whole, airports), []);
  assert.deepEqual(findIncomplete(whole, airports), []);
  assert.deepEqual(findDifferences(statesAfter(flights), statesAfter(flights)), []);
});

test("demo: an acknowledged message that is missing or altered is found", () => {
  const shorter = journalsOf(first, second, third);
  assert.deepEqual(findLost([2, 3].map(acknowledge), shorter, flights), [
    "journal DFW at 2: nothing is there, " +
    "DFW-ORD 2001-01-01T00:03:00.000Z (20 min, 100 miles) was acknowledged",
  ]);
  assert.equal(findIncomplete(shorter, airports).length, 1);

  const altered = journalsOf(first, second, third, { ...fourth, delay: 21 });
  assert.equal(findLost([2, 3].map(acknowledge), altered, flights).length, 1);
  assert.equal(findMisplaced(altered, airports).length, 1);
});

test("demo: a message that is twice in a journal, or out of order, or not in the file, is found", () => {
  assert.equal(findMisplaced(journalsOf(first, first, second), airports).length, 1);
  assert.equal(findMisplaced(journalsOf(third, first, second), airports).length, 2);
  assert.equal(findMisplaced(journalsOf(first, third, fourth, fourth), airports).length, 1);
  const [entry] = whole.get("LAX") ?? [];
  assert.ok(entry);
  const gap = new Map([["LAX", [{ ...entry, sequenceNumber: 1 }]]]);
  assert.equal(findMisplaced(gap, airports).length, 1);
});

test("demo: every field in which a state differs is named", () => {
  const states = statesAfter(flights);
  const state = states.get("DFW");
  assert.ok(state);
  state.maxDelay = 21;
  state.last = new Date(0);
  state.destinations.set("ORD", { flights: 2, totalDelay: 31 });
  state.destinations.delete("LAX");
  states.delete("LAX");
  states.set("XXX", emptyState());
  const problems = findDifferences(states, statesAfter(flights));
  assert.equal(problems.length, 3);
  assert.equal(
    problems[0],
    "state of DFW: maxDelay is 21, not 20; " +
      "last is 1970-01-01T00:00:00.000Z, not 2001-01-01T00:03:00.000Z; " +
      "destinations ORD totalDelay is 31, not 30; " +
      "destinations LAX is undefined, not { flights: 1, totalDelay: -3 }",
  );
  assert.equal(problems[1], "state of LAX: is missing");
  assert.equal(problems[2], "state of XXX: should not be there");
});

test("demo: a proof ends at the first claim that does not hold, and shows it", () => {
  const proof = new Proof();
  proof.check("one", []);
  assert.throws(() => proof.check("two", ["no"]), ProofError);
  assert.deepEqual(proof.findings, [
    { claim: "one", problems: [] },
    { claim: "two", problems: ["no"] },
  ]);
});

test("demo: reports are read whatever the chunks, and half a line is none", async () => {
  const sent = [acknowledge(0), { ...acknowledge(1), airport: "Zürich" }];
  const text = sent.map((report) => `${JSON.stringify(report)}\n`).join("") + '{"type":"ackno';
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const byte of new TextEncoder().encode(text)) yield Uint8Array.of(byte);
  }
  const received: unknown[] = [];
  for await (const report of readReports(bytes())) received.push(report);
  assert.deepEqual(received, sent);
});

test("demo: states come through a report as they are", () => {
  const states = statesAfter(flights);
  addDeparture(states.get("LAX") ?? emptyState(), second);
  assert.deepEqual(decodeStates(encodeStates(states)), states);
});

test("demo: a table is aligned", () => {
  const columns = [{ title: "name", align: "left" }, { title: "n", align: "right" }] as const;
  assert.deepEqual(layOutTable(columns, [["a", "1,000"], ["longer", "2"]]), [
    "name        n",
    "a       1,000",
    "longer      2",
  ]);
});

test("demo: an airport takes no departure twice and leaves none out, also after a restart", async () => {
  await using provider = await MemoryPersistenceProvider.open();
  const [one, other, last] = flights.filter(({ departure: { origin } }) => origin === "DFW");
  assert.ok(one && other && last);
  {
    await using airport = startAirport(provider, "DFW");
    await airport.tell(one);
    await assert.rejects(airport.ask(one), /DFW has 1 flights, not 0/);
    await assert.rejects(airport.ask(last), /DFW has 1 flights, not 2/);
    await airport.tell(other);
  }
  await using airport = startAirport(provider, "DFW");
  await assert.rejects(airport.ask(other), /DFW has 2 flights, not 1/);
  await airport.tell(last);
  const states = new Map([["DFW", await airport.ask("get state")]]);
  assert.deepEqual(findDifferences(states, statesAfter([one, other, last])), []);
  const recovered = await recoverStates(provider, ["DFW", "LAX"]);
  assert.deepEqual(recovered, { states, fromSnapshot: 0, replayed: 3 });
});

test("demo: killed at a random point it recovers, and proves that everything holds", async () => {
  const output = await runExample("flights/demo");
  assert.match(output, /Everything holds/);
  assert.doesNotMatch(output, /✗/);
});
