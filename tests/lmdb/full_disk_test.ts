import assert from "node:assert/strict";
import { range } from "../conformance/fixture.ts";
import { test } from "../harness.ts";
import { Child } from "../processes/child.ts";
import { fileSizeLimit } from "../processes/file_size_limit.ts";
import { type Restriction, withLimit, withSmallFileSystem } from "../processes/restrictions.ts";
import { withDirectory } from "../temporary_directory.ts";
import type { DiskFilled, DiskFillerJob } from "./children/disk_filler.ts";

const MIB = 2 ** 20;
const BYTES = 4 * MIB;
/** Room for a hundred messages more. */
const FILE_SYSTEM_BYTES = 16 * MIB;

const WAYS: readonly [string, boolean, (path: string) => Restriction][] = [
  ["files may not become larger", true, () => withLimit(fileSizeLimit(BYTES))],
  ["the file system is full", false, (path) => withSmallFileSystem(path, FILE_SYSTEM_BYTES)],
];
for (const [way, isFileLimited, restrict] of WAYS) {
  let unavailable: string | undefined;
  await withDirectory(async (path) => void ({ unavailable } = await restrict(path)));
  for (const messageBytes of [1_000, 5_000, 50_000]) {
    const name = `full disk: ${way}, messages of ${messageBytes} bytes`;
    if (unavailable !== undefined) {
      test.skip(`${name} (${unavailable})`, () => {});
      continue;
    }
    test(name, () =>
      withDirectory(async (path) => {
        const ballastBytes = isFileLimited ? 0 : FILE_SYSTEM_BYTES - BYTES;
        const job: DiskFillerJob = { path, messageBytes, ballastBytes, isFileLimited };
        const { wrapper } = restrict(path);
        await using child = new Child("lmdb/children/disk_filler", job, { wrapper });
        const { count, full, read, truncated, withRoom, reopened } = await child.report<
          DiskFilled
        >();
        const { code, errors } = await child.ended;
        // LMDB itself has noticed nothing: a write that fails damages the memory of the process.
        assert.equal(errors, "");
        assert.equal(code, 0);
        assert.equal(full, "STORAGE_FULL");
        assert.ok(count * messageBytes > 0.3 * BYTES, `full with ${count} messages`);
        assert.equal(read, count);
        assert.deepEqual(truncated, [null, count, count + 1]);
        assert.deepEqual(withRoom, range(count + 2, count + 101));
        assert.equal(reopened, 103);
      }));
  }
}
