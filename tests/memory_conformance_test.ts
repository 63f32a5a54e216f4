import { MemoryDatabase, MemoryStorage } from "../adapters/memory.ts";
import { conformance } from "./conformance/mod.ts";
import { test } from "./harness.ts";

conformance({
  test,
  factory: {
    supports: (await MemoryStorage.open()).supports,
    createPlace() {
      const database = new MemoryDatabase();
      return Promise.resolve({
        openStorage: ({ readOnly = false, limitBytes } = {}) =>
          MemoryStorage.open({
            database,
            readOnly,
            ...(limitBytes !== undefined && { maxBytes: limitBytes }),
          }),
        cleanup: () => Promise.resolve(),
      });
    },
  },
});
