import { MemoryDatabase, MemoryStorage } from "../adapters/memory.ts";
import { conformance } from "./conformance/mod.ts";
import { DelayedStorage } from "./delayed_storage.ts";
import { test } from "./harness.ts";

let seed = 0;

conformance({
  test,
  factory: {
    supports: (await MemoryStorage.open()).supports,
    createPlace() {
      const database = new MemoryDatabase();
      return Promise.resolve({
        async openStorage({ readOnly = false, limitBytes } = {}) {
          const storage = await MemoryStorage.open({
            database,
            readOnly,
            ...(limitBytes !== undefined && { maxBytes: limitBytes }),
          });
          return new DelayedStorage(storage, seed++);
        },
        cleanup: () => Promise.resolve(),
      });
    },
  },
});
