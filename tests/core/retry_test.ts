import assert from "node:assert/strict";
import fc from "fast-check";
import {
  PersistenceError,
  type PersistenceErrorCode,
} from "../../core/errors/persistence_error.ts";
import { checkRetry, isTransient, retry, retryDelayMs } from "../../core/errors/retry.ts";
import { sleep } from "../../core/util/promises.ts";
import { test } from "../harness.ts";

const QUICK = checkRetry({ initialDelayMs: 0, maxDelayMs: 0 }, "test");

test("retry: the defaults are 3 retries, 100 ms, twice as long each time, at most 5 s", () => {
  const policy = checkRetry({}, "test");
  assert.deepEqual(policy, { maxRetries: 3, initialDelayMs: 100, factor: 2, maxDelayMs: 5_000 });
  assert.deepEqual([1, 2, 3, 6, 7, 100].map((retry) => retryDelayMs(policy, retry, 1)), [
    100,
    200,
    400,
    3_200,
    5_000,
    5_000,
  ]);
});

test("retry: jitter takes up to half of each delay away", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 60 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (number, random) => {
      const policy = checkRetry({}, "test");
      const delayMs = retryDelayMs(policy, number, random);
      const longest = retryDelayMs(policy, number, 1);
      assert.ok(delayMs >= longest / 2 && delayMs <= longest);
    },
  ));
});

test("retry: the delay is a number for any factor and any number of retries", () => {
  for (const initialDelayMs of [0, 1, 100]) {
    for (const factor of [1, 2, Number.MAX_VALUE]) {
      const policy = checkRetry({ initialDelayMs, factor, maxDelayMs: 7 }, "test");
      for (const number of [1, 2, 1_100, Number.MAX_SAFE_INTEGER]) {
        const delayMs = retryDelayMs(policy, number, 1);
        assert.ok(delayMs >= 0 && delayMs <= 7, `${delayMs} after ${number}`);
      }
    }
  }
});

test("retry: only failures that changed nothing and may pass are tried again", async () => {
  const transient: PersistenceErrorCode[] = ["STORAGE_FAILED", "BACKPRESSURE"];
  const others: PersistenceErrorCode[] = ["REOPEN_REQUIRED", "STORAGE_FULL", "CONFLICT", "CLOSED"];
  for (const code of [...transient, ...others]) {
    let attempts = 0;
    const error = new PersistenceError(code, "Cannot: the test wants it");
    const fails = () => {
      attempts++;
      return Promise.reject(error);
    };
    await assert.rejects(retry(fails, QUICK), error);
    assert.equal(attempts, transient.includes(code) ? 4 : 1, code);
  }
  assert.equal(isTransient(new Error("STORAGE_FAILED")), false);
});

test("retry: the first success counts", async () => {
  let left = 2;
  const sometimes = () =>
    left-- > 0
      ? Promise.reject(new PersistenceError("STORAGE_FAILED", "Cannot: the test wants it"))
      : Promise.resolve("done");
  assert.equal(await retry(sometimes, QUICK), "done");
});

test("retry: a signal ends the wait", async () => {
  const controller = new AbortController();
  const error = new PersistenceError("STORAGE_FAILED", "Cannot: the test wants it");
  const patient = checkRetry({ initialDelayMs: 2 ** 31 - 1, maxDelayMs: 2 ** 31 - 1 }, "test");
  const retried = retry(() => Promise.reject(error), patient, controller.signal);
  setTimeout(() => controller.abort(), 1);
  await assert.rejects(retried, error);
  await sleep(2 ** 31 - 1, controller.signal);
});
