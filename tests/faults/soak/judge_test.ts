import assert from "node:assert/strict";
import { test } from "../../harness.ts";
import { judge, type SoakSample } from "./judge.ts";

const MIB = 2 ** 20;
const STEADY: Omit<SoakSample, "seconds"> = {
  messages: 1_000,
  p50: 2,
  p99: 10,
  writerBytes: 100 * MIB,
  readerBytes: 60 * MIB,
  fileBytes: 50 * MIB,
};

test("soak: figures that stay as they are, are bounded", () => {
  assert.deepEqual(unbounded(() => ({})), []);
});

test("soak: growth in the beginning is no growth without end", () => {
  assert.deepEqual(unbounded((part) => ({ fileBytes: 50 * MIB * Math.min(1, 4 * part) })), []);
});

test("soak: a file that goes on growing is found", () => {
  assert.deepEqual(unbounded((part) => ({ fileBytes: 50 * MIB * (1 + part) })), ["file"]);
});

test("soak: memory that goes on growing is found", () => {
  const growing = unbounded((part) => ({
    writerBytes: 100 * MIB * (1 + 2 * part),
    readerBytes: 60 * MIB * (1 + 2 * part),
  }));
  assert.deepEqual(growing, ["memory of the writer", "memory of the reader"]);
});

test("soak: appends that take longer and longer are found", () => {
  const growing = unbounded((part) => ({
    p50: 2 + 100 * part ** 2,
    p99: 10 + 1_000 * part ** 2,
  }));
  assert.deepEqual(growing, ["append, p50", "append, p99"]);
});

test("soak: a load that dries up is found", () => {
  assert.deepEqual(unbounded((part) => ({ messages: 1_000 * (1 - part) })), [
    "messages acknowledged",
  ]);
});

test("soak: a few samples are not judged", () => {
  assert.throws(() => judge([{ seconds: 0, ...STEADY }]), /too few/);
});

/** Which figures are not bounded. @param change what a sample is like after a part of the time */
function unbounded(change: (part: number) => Partial<SoakSample>): string[] {
  const samples = Array.from(
    { length: 400 },
    (_, seconds) => ({ seconds, ...STEADY, ...change(seconds / 400) }),
  );
  return judge(samples).filter(({ isBounded }) => !isBounded).map(({ what }) => what);
}
