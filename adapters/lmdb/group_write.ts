/**
 * Writes groups of changes to LMDB.
 *
 * @module
 */

import { ArgumentRangeError } from "../../core/errors/persistence_error.ts";
import {
  KEYSPACES,
  MAX_KEY_BYTES,
  type StorageChange,
  type StorageCondition,
  type WriteGroup,
} from "../../core/ports/storage.ts";
import { isUint8Array } from "../../core/util/built_ins.ts";
import { compareBytes } from "../../core/util/bytes.ts";
import type { LmdbBinding, LmdbDatabase } from "./binding.ts";

/**
 * Refuses everything that would make `lmdb` throw halfway through a batch.
 *
 * @param groups The groups.
 * @throws {ArgumentRangeError} `INVALID_ARGUMENT` if a keyspace, key or value is not valid.
 */
export function assertWritable(groups: readonly WriteGroup[]): void {
  for (const { conditions, changes } of groups) {
    for (const { keyspace, key } of [...conditions, ...changes]) {
      if (!KEYSPACES.includes(keyspace)) {
        throw new ArgumentRangeError(`Cannot commit: there is no keyspace "${keyspace}"`);
      }
      if (!isUint8Array(key) || key.length === 0 || key.length > MAX_KEY_BYTES) {
        throw new ArgumentRangeError(
          `Cannot commit: a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${key?.length}`,
        );
      }
    }
    for (const change of changes) {
      if (change.type === "put" && !isUint8Array(change.value)) {
        throw new ArgumentRangeError("Cannot commit: a value must be a Uint8Array");
      }
    }
  }
}

/**
 * Writes groups as one transaction.
 *
 * @param binding The open environment.
 * @param groups The groups, which have been checked.
 * @returns For each group, whether it was applied.
 * @throws {Error} The error of `lmdb` if the transaction is not committed.
 */
export async function writeGroups(
  { root, databases }: LmdbBinding,
  groups: readonly WriteGroup[],
): Promise<boolean[]> {
  const levels: Promise<boolean>[] = [];
  const committed = root.batch(() => {
    // Nothing in here may throw: the changes before it would be committed.
    for (const group of groups) apply(databases, group, levels);
  });
  // With a second batch after it, `lmdb` begins at once, in its own thread. Otherwise it begins
  // when the event loop turns, which a caller that goes on encoding would delay. Both batches are
  // one transaction.
  const started = root.batch(() => {});
  // All of them reject together, so each must be awaited.
  const [holds] = await Promise.all([Promise.all(levels), committed, started]);
  let level = 0;
  return groups.map(({ conditions }) => {
    const first = level;
    level += conditions.length;
    return holds.slice(first, level).every(Boolean);
  });
}

/**
 * Puts a group into the batch, its conditions nested, its changes within the innermost one. A
 * level resolves to true even if one around it failed, so a group was applied only if all its
 * levels resolve to true.
 */
function apply(
  databases: LmdbBinding["databases"],
  { conditions, changes }: WriteGroup,
  levels: Promise<boolean>[],
): void {
  const [condition] = conditions;
  const [change] = changes;
  if (conditions.length === 1 && changes.length === 1 && isPutUnder(condition, change)) {
    const { keyspace, key, value, version } = change;
    const database = databases[keyspace];
    levels.push(database.put(key, value, version, condition?.version ?? null));
    return;
  }
  const first = levels.length;
  const enter = (depth: number): void => {
    const condition = conditions[depth];
    if (!condition) {
      for (const change of changes) write(databases[change.keyspace], change);
      return;
    }
    const { keyspace, key, version } = condition;
    const database = databases[keyspace];
    const next = () => enter(depth + 1);
    levels[first + depth] = version === undefined
      ? database.ifNoExists(key, next)
      : database.ifVersion(key, version, next);
  };
  enter(0);
}

function write(database: LmdbDatabase, change: StorageChange): void {
  if (change.type === "put") void database.put(change.key, change.value, change.version);
  else void database.remove(change.key);
}

/** Whether a change puts the key of the condition. `lmdb` can do both in one step. */
function isPutUnder(
  condition: StorageCondition | undefined,
  change: StorageChange | undefined,
): change is StorageChange & { readonly type: "put" } {
  return change?.type === "put" && condition?.keyspace === change.keyspace &&
    compareBytes(condition.key, change.key) === 0;
}
