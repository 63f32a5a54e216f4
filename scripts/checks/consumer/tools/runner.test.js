// A user's test, for Jest and vitest: both have `test` and `afterEach`, and one of the two names.
import { useStore } from "./store.js";

const timers = globalThis.vi ?? import.meta.jest;

afterEach(() => void timers.useRealTimers());

test("the package works", useStore);

test("the package works with fake timers", async () => {
  timers.useFakeTimers({ now: 5 });
  await useStore();
});

test("an error of the file system has its code", async () => {
  const { LmdbPersistenceProvider } = await import("@cajun/persistence/node");
  const path = "./package.json";
  const error = await LmdbPersistenceProvider.open({ path }).catch((error) => error);
  if (error.code === "OPEN_FAILED" && / is not a directory/.test(error.message)) return;
  throw error;
});
