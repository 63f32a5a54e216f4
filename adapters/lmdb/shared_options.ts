/**
 * The options in which all users of an environment in one process must agree. LMDB opens a data
 * file only once in a process, whatever loads it: another thread, or another copy of this module,
 * shares the environment of the first one with its options. It would, for example, acknowledge
 * commits that are not flushed.
 *
 * @module
 */

import { PersistenceError } from "../../core/errors/persistence_error.ts";
import type { LmdbEnvironmentOptions } from "./options.ts";

/** Those that the environment of LMDB has. */
const NATIVE_OPTIONS = ["mapSize", "maxDbs", "maxReaders", "readOnly", "durability"] as const;
/** All in which users of this instance of the module must agree. */
const SHARED_OPTIONS: readonly SharedOption[] = [...NATIVE_OPTIONS, "commitTimeoutMs"];

type SharedOption = (typeof NATIVE_OPTIONS)[number] | "commitTimeoutMs";

/** A stored name: copies of other versions of this package look for it, too. */
const REGISTER = new TextEncoder().encode("@cajun/persistence options");

/** The flags of LMDB that matter to us. */
const READ_ONLY = 0x20000;
const NO_SYNC = 0x10000;
const NO_META_SYNC = 0x40000;

/** Some options, as far as they are known. */
type KnownOptions = Partial<Pick<LmdbEnvironmentOptions, SharedOption>>;

/** What we use of an environment of `lmdb`. */
export interface LmdbShared {
  /**
   * Gets memory that all threads of this process share which have the environment open, and all
   * copies of this module, until the last of them closes it. The first one says what is in it.
   */
  getUserSharedBuffer(name: Uint8Array, initial: ArrayBuffer): ArrayBuffer;
  /** The environment itself. */
  readonly env: { readonly address: number };
}

/** What we use of the native part of `lmdb`. */
export interface LmdbNative {
  /** The flags with which LMDB has opened an environment. */
  getEnvFlags(address: number): number;
}

/**
 * Checks that an environment was opened with the options that are wanted now.
 *
 * @param known The options that it was opened with.
 * @param wanted The options, with all defaults filled in.
 * @throws {PersistenceError} `OPTIONS_MISMATCH` if one of them differs.
 */
export function assertSameOptions(
  known: KnownOptions,
  wanted: Required<LmdbEnvironmentOptions>,
): void {
  for (const name of SHARED_OPTIONS) {
    if (known[name] === undefined || known[name] === wanted[name]) continue;
    throw new PersistenceError(
      "OPTIONS_MISMATCH",
      `Cannot open LMDB environment at "${wanted.path}": this process has it open with ${name} ` +
        `${known[name]}, not ${wanted[name]}`,
    );
  }
}

/**
 * Checks that all users of an environment in this process agree, after it was opened. The first one
 * that gets here leaves its options in memory that `lmdb` shares between threads and copies; the
 * flags show what LMDB really does.
 *
 * @param root The root database of the environment.
 * @param native The native part of `lmdb`.
 * @param options The options that are wanted, with all defaults filled in.
 * @throws {PersistenceError} `OPTIONS_MISMATCH` if one of them differs.
 */
export function agreeOnOptions(
  root: LmdbShared,
  native: LmdbNative,
  options: Required<LmdbEnvironmentOptions>,
): void {
  const own = Object.fromEntries(NATIVE_OPTIONS.map((name) => [name, options[name]]));
  const encoded = new TextEncoder().encode(JSON.stringify(own));
  const initial = new Uint8Array(encoded).buffer;
  const register = new Uint8Array(root.getUserSharedBuffer(REGISTER, initial)).slice();
  // Written by the code above, maybe of another version.
  const known = JSON.parse(new TextDecoder().decode(register)) as KnownOptions;
  assertSameOptions(known, options);
  assertSameOptions(optionsOf(native.getEnvFlags(root.env.address)), options);
}

function optionsOf(flags: number): KnownOptions {
  const durability = flags & NO_SYNC ? "none" : flags & NO_META_SYNC ? "relaxed" : "full";
  return { readOnly: (flags & READ_ONLY) !== 0, durability };
}
