/**
 * The parts of a provider: its options with their defaults, and a storage that is its to use.
 *
 * @module
 */

import type { QueueLimits } from "../commit/commit_queue.ts";
import { checkInteger, checkOptions } from "../errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../errors/persistence_error.ts";
import { Log } from "../log/log.ts";
import type { Codec } from "../ports/codec.ts";
import type { ProviderOptions, Runtime } from "../ports/provider.ts";
import type { Storage, StorageStats } from "../ports/storage.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { claimStorage } from "./claim_storage.ts";
import type { OptionNames } from "../util/option_names.ts";
import type { MaybePromise } from "../util/promises.ts";

const OPERATION = "open provider";
const MIB = 2 ** 20;
const DEFAULT_MAX_MESSAGE_BYTES = 16 * MIB;
const DEFAULT_MAX_SNAPSHOT_BYTES = 256 * MIB;
const DEFAULT_MAX_PENDING_MESSAGES = 100_000;
const DEFAULT_MAX_PENDING_BYTES = 64 * MIB;
const DEFAULT_MAX_HOT_BYTES = 64 * MIB;
const MAX_HOT_SHARE = 1 / 16;
/** LMDB and JavaScript engines alike have their limits at 2 GiB; stay well below. */
const MAX_VALUE_BYTES = 2 ** 30;
const CODEC_NAME = /^[a-z0-9._+-]{1,64}$/;

/** {@linkcode ProviderOptions} with their defaults. */
export interface ProviderSettings {
  /** Turns messages and states into bytes. */
  readonly codec: Codec;
  /** How large messages and states may be, and how much may be pending. */
  readonly limits: ProviderLimits;
  /** The clock and the context of calls. */
  readonly runtime: Runtime;
  /** Who listens. */
  readonly listeners: readonly Telemetry[];
}

/** How large messages and states may be, and how much may be pending. */
export interface ProviderLimits extends QueueLimits {
  /** The maximum size of an encoded message in bytes. */
  readonly maxMessageBytes: number;
  /** The maximum size of an encoded state in bytes. */
  readonly maxSnapshotBytes: number;
}

/** The parameter of a provider's constructor. */
export interface ProviderParts {
  /** A storage that {@linkcode prepareProvider} has claimed. */
  readonly storage: Storage;
  /** Its log. */
  readonly log: Log;
  /** The codec and the limits. */
  readonly settings: ProviderSettings;
}

/**
 * Checks the values of a provider's options.
 *
 * @param options The options.
 * @param defaultCodec The codec if the options have none.
 * @param defaultRuntime The clock and the context of calls if the options have none.
 * @returns The options with their defaults.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if one is invalid.
 */
export function checkSettings(
  options: ProviderOptions,
  defaultCodec: Codec,
  defaultRuntime: Runtime,
): ProviderSettings {
  const { codec = defaultCodec } = options;
  const runtime = checkRuntime(options.runtime ?? {}, defaultRuntime);
  return {
    codec: checkCodec(codec),
    limits: checkLimits(options),
    runtime,
    listeners: [runtime.telemetry, checkTelemetry(options.telemetry, "telemetry")]
      .filter((listener) => listener !== undefined),
  };
}

/**
 * Claims a storage for a provider: it must be new or written with the same codec. If that fails, the
 * storage is closed.
 *
 * @param storage The storage.
 * @param settings The codec and the limits.
 * @returns The parameter of the provider's constructor.
 * @throws {PersistenceError} `CODEC_MISMATCH`, `UNSUPPORTED_FORMAT`, `CORRUPT`, `STORAGE_FAILED`.
 */
export async function prepareProvider(
  storage: Storage,
  settings: ProviderSettings,
): Promise<ProviderParts> {
  return await closingOnFailure(storage, async () => {
    await claimStorage(storage, settings.codec);
    const log = await Log.open(storage);
    return { storage, settings: fitting(settings, await storage.stats()), log };
  });
}

/** To collect the log takes room beside it, so in a small storage little of it may be hot. */
function fitting(settings: ProviderSettings, { limitBytes }: StorageStats): ProviderSettings {
  const { limits } = settings;
  const share = Math.max(1, Math.floor((limitBytes ?? Infinity) * MAX_HOT_SHARE));
  return { ...settings, limits: { ...limits, maxHotBytes: Math.min(limits.maxHotBytes, share) } };
}

/**
 * Closes a storage if an action fails that was to make use of it.
 *
 * @param storage The storage.
 * @param action The action.
 * @returns The result of the action.
 * @throws {unknown} The error of the action.
 */
export async function closingOnFailure<Result>(
  storage: Storage,
  action: () => MaybePromise<Result>,
): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    await storage.close();
    throw error;
  }
}

const RUNTIME_NAMES: OptionNames<Runtime> = { clock: true, callContext: true, telemetry: true };

function checkRuntime(runtime: Partial<Runtime>, defaults: Runtime): Runtime {
  checkOptions(runtime, OPERATION, RUNTIME_NAMES, "runtime");
  const { clock, callContext } = runtime;
  const telemetry = checkTelemetry(runtime.telemetry, "runtime.telemetry");
  if (clock !== undefined) {
    for (const name of ["now", "monotonic", "setTimer"] as const) {
      if (typeof clock?.[name] === "function") continue;
      throw new ArgumentTypeError(`Cannot ${OPERATION}: runtime.clock must have ${name}`);
    }
  }
  if (callContext !== undefined && typeof callContext?.run !== "function") {
    throw new ArgumentTypeError(`Cannot ${OPERATION}: runtime.callContext must have get and run`);
  }
  return {
    ...defaults,
    ...(clock && { clock }),
    ...(callContext && { callContext }),
    ...(telemetry && { telemetry }),
  };
}

function checkTelemetry(telemetry: Telemetry | undefined, name: string): Telemetry | undefined {
  if (telemetry === undefined || typeof telemetry?.onEvent === "function") return telemetry;
  throw new ArgumentTypeError(`Cannot ${OPERATION}: ${name} must have onEvent`);
}

function checkCodec(codec: Codec): Codec {
  if (typeof codec?.encode !== "function" || typeof codec.decode !== "function") {
    throw new ArgumentTypeError(`Cannot ${OPERATION}: codec must have encode and decode`);
  }
  if (typeof codec.name !== "string" || !CODEC_NAME.test(codec.name)) {
    throw new ArgumentRangeError(
      `Cannot ${OPERATION}: the codec's name must match ${CODEC_NAME}, not "${String(codec.name)}"`,
    );
  }
  return codec;
}

function checkLimits(options: ProviderOptions): ProviderLimits {
  const {
    maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES,
    maxSnapshotBytes = DEFAULT_MAX_SNAPSHOT_BYTES,
    maxPendingMessages = DEFAULT_MAX_PENDING_MESSAGES,
    maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
    maxHotBytes = DEFAULT_MAX_HOT_BYTES,
    backpressure = "wait",
  } = options;
  if (backpressure !== "wait" && backpressure !== "reject") {
    throw new ArgumentRangeError(
      `Cannot ${OPERATION}: backpressure must be "wait" or "reject", not "${backpressure}"`,
    );
  }
  const check = (value: number, name: string, maximum: number) =>
    checkInteger(value, name, 1, maximum, OPERATION);
  return {
    backpressure,
    maxMessageBytes: check(maxMessageBytes, "maxMessageBytes", MAX_VALUE_BYTES),
    maxSnapshotBytes: check(maxSnapshotBytes, "maxSnapshotBytes", MAX_VALUE_BYTES),
    maxPendingMessages: check(maxPendingMessages, "maxPendingMessages", Number.MAX_SAFE_INTEGER),
    maxPendingBytes: check(maxPendingBytes, "maxPendingBytes", MAX_VALUE_BYTES),
    maxHotBytes: check(maxHotBytes, "maxHotBytes", MAX_VALUE_BYTES),
  };
}
