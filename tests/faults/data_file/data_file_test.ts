import assert from "node:assert/strict";
import { join } from "node:path";
import { checkDataFile } from "../../../adapters/lmdb/verify/data_file.ts";
import { randomFrom } from "../../conformance/random.ts";
import { test } from "../../harness.ts";
import { fillDatabases } from "../../lmdb/verify/databases.ts";
import { makeOriginal } from "../../lmdb/verify/originals.ts";
import { withDirectory } from "../../temporary_directory.ts";
import { describeFaults } from "../describe_faults.ts";
import { dataFile, tryDamages } from "./data_file.ts";
import { tornFile } from "./torn_file.ts";

test("faults: a data file without a byte is refused, as an opening refuses it", () =>
  withDirectory(async (directory) => {
    const original = await makeOriginal(join(directory, "a"), randomFrom(1), fillDatabases);
    const emptied = { what: "emptied", bytes: new Uint8Array(0), records: 0, keys: 0 };
    const outcome = await tryDamages(original, [emptied], checkDataFile);
    assert.deepEqual(outcome, { accepted: 0, failures: [] });
  }));

await describeFaults([dataFile, tornFile]);
