/**
 * Payloads with schemas: a tag that names type and version, then what the codec makes. Old versions
 * are upcast when they are read, and nothing that is stored is rewritten.
 *
 * @module
 */

import { isActorEntry, mapActorEntry } from "./actor_entry.ts";
import { describeType } from "./arguments.ts";
import type { Codec } from "./codec.ts";
import { PersistenceError } from "./errors.ts";
import {
  decodeValue,
  encodeValue,
  type PayloadKind,
  type Payloads,
  readingFailed,
  readTag,
  type StoredPayload,
} from "./payloads.ts";
import type { Schema, SchemaVersion, StoredPlace } from "./schema.ts";
import {
  canRead,
  type CheckedSchema,
  type CheckedType,
  checkSchema,
  RESERVED_NAME_PREFIX,
} from "./schema_check.ts";
import { encodeTag, tagLength, TagTable } from "./schema_tag.ts";
import { describeIssues, isPromise, validate, type ValidationFailure } from "./validation.ts";

/** A larger buffer is not kept: one large snapshot would occupy its memory for good. */
const MAX_KEPT_BUFFER_BYTES = 1_048_576;

/** What an actor has stored that is nobody's message or state: see `actor_entry.ts`. */
const ACTOR_SCHEMA: SchemaVersion = { name: `${RESERVED_NAME_PREFIX}actor`, version: 1 };
const ACTOR_TAG = encodeTag(ACTOR_SCHEMA);

/** A version of a type that can be read. */
interface ReadableVersion {
  readonly type: CheckedType;
  /** What entries and snapshots tell. */
  readonly schema: SchemaVersion;
}

/** The payloads of a journal or snapshot store that has a schema. */
export class SchemaPayloads<Value> implements Payloads {
  readonly isTagged = true;

  readonly #codec: Codec;
  readonly #kind: PayloadKind;
  readonly #schema: CheckedSchema<Value>;
  readonly #onlyType: CheckedType | undefined;
  readonly #tags = new Map<CheckedType, Uint8Array>();
  readonly #readable = new TagTable<ReadableVersion>();
  #buffer = new Uint8Array(0);
  #decodedSchema: SchemaVersion | undefined;

  /**
   * @param codec What encodes and decodes.
   * @param kind What the payloads hold.
   * @param schema What the user has declared.
   */
  constructor(codec: Codec, kind: PayloadKind, schema: Schema<Value>) {
    this.#codec = codec;
    this.#kind = kind;
    this.#schema = checkSchema(schema, `create ${kind.container}`);
    for (const type of this.#schema.types.values()) this.#addType(type);
    const [first] = this.#schema.types.values();
    this.#onlyType = this.#schema.typeOf ? undefined : first;
  }

  /** See {@linkcode Payloads.decodedSchema}. */
  get decodedSchema(): SchemaVersion | undefined {
    return this.#decodedSchema;
  }

  /** See {@linkcode Payloads.encode}. */
  encode(value: unknown, operation: string, actorId: string): Uint8Array {
    const { value: what } = this.#kind;
    const fail: Fail = (code, problem, details) =>
      new PersistenceError(code, `Cannot ${operation}: the ${what} ${problem}`, {
        ...details,
        actorId,
      });
    const tag = this.#tagOf(value, fail);
    return this.#withTag(tag, encodeValue(this.#codec, value, operation, actorId));
  }

  /** See {@linkcode Payloads.decode}. */
  decode(payload: StoredPayload): unknown {
    const tagBytes = payload.isTagged ? this.#tagLength(payload) : 0;
    const stored = decodeValue(this.#codec, payload, this.#kind, tagBytes);
    const readable = payload.isTagged
      ? this.#readable.get(payload.bytes, payload.payloadStart, tagBytes)
      : undefined;
    const schema = payload.isTagged ? readable?.schema ?? readTag(payload, this.#kind) : undefined;
    const value = isActorEntry(stored)
      ? mapActorEntry(stored, (content) => this.#bring(content, schema, readable, payload))
      : this.#bring(stored, schema, readable, payload);
    // Last, for the user's code before may have read something else.
    this.#decodedSchema = schema;
    return value;
  }

  /** Brings what was stored as a schema to the current version of its type. */
  #bring(
    value: unknown,
    schema: SchemaVersion | undefined,
    readable: ReadableVersion | undefined,
    payload: StoredPayload,
  ): unknown {
    if (!schema) return this.#fromUnversioned(value, payload);
    return readable
      ? this.#toCurrent(readable.type, schema.version, value, payload)
      : this.#replaceUnknown(schema, value, payload);
  }

  #addType(type: CheckedType): void {
    this.#tags.set(type, encodeTag(type));
    for (let version = type.oldestVersion; version <= type.version; version++) {
      const schema = Object.freeze({ name: type.name, version });
      this.#readable.set(encodeTag(schema), { type, schema });
    }
  }

  /** The tag of what is about to be stored, if that is valid. */
  #tagOf(stored: unknown, fail: Fail): Uint8Array {
    const isWrapped = isActorEntry(stored);
    if (isWrapped && !("content" in stored)) return ACTOR_TAG;
    const value = isWrapped ? stored.content : stored;
    // What is stored is what the user has declared.
    const type = this.#typeOf(value as Value, fail);
    assertValid(type, value, fail);
    return this.#tags.get(type) ?? encodeTag(type);
  }

  #typeOf(value: Value, fail: Fail): CheckedType {
    if (this.#onlyType) return this.#onlyType;
    let name: unknown;
    try {
      name = this.#schema.typeOf?.(value);
    } catch (cause) {
      throw fail("UNKNOWN_SCHEMA", `has no type: ${reasonOf(cause)}`, { cause });
    }
    const type = typeof name === "string" ? this.#schema.types.get(name) : undefined;
    if (type) return type;
    const found = typeof name === "string" ? `"${name}"` : describeType(name);
    throw fail("UNKNOWN_SCHEMA", `is of type ${found}, which the schema does not have`);
  }

  #withTag(tag: Uint8Array, bytes: Uint8Array): Uint8Array {
    const length = tag.length + bytes.length;
    const buffer = this.#bufferOf(length);
    // A loop beats `set` for so few bytes.
    for (let index = 0; index < tag.length; index++) buffer[index] = tag[index] ?? 0;
    buffer.set(bytes, tag.length);
    return buffer.subarray(0, length);
  }

  #bufferOf(length: number): Uint8Array {
    if (length <= this.#buffer.length) return this.#buffer;
    if (length > MAX_KEPT_BUFFER_BYTES) return new Uint8Array(length);
    this.#buffer = new Uint8Array(Math.min(2 * length, MAX_KEPT_BUFFER_BYTES));
    return this.#buffer;
  }

  #tagLength(payload: StoredPayload): number {
    try {
      return tagLength(payload.bytes, payload.payloadStart, payload.payloadEnd);
    } catch (cause) {
      throw readingFailed("CORRUPT", "cannot be decoded", this.#kind, payload, { cause });
    }
  }

  #fromUnversioned(value: unknown, payload: StoredPayload): unknown {
    const { unversioned } = this.#schema;
    if (!unversioned) return this.#replaceUnknown(undefined, value, payload);
    const schema = typeof unversioned === "function"
      ? this.#askVersion(() => unversioned(value, placeOf(payload)), payload)
      : unversioned;
    const type = this.#schema.types.get(schema.name);
    return type && canRead(type, schema.version)
      ? this.#toCurrent(type, schema.version, value, payload)
      : this.#replaceUnknown(schema, value, payload);
  }

  #askVersion(ask: () => SchemaVersion, payload: StoredPayload): SchemaVersion {
    try {
      const { name, version } = ask();
      return { name, version };
    } catch (cause) {
      const problem = `was stored without a schema, and unversioned failed: ${reasonOf(cause)}`;
      throw readingFailed("UNKNOWN_SCHEMA", problem, this.#kind, payload, { cause });
    }
  }

  /** A value of the current version. */
  #toCurrent(type: CheckedType, version: number, value: unknown, payload: StoredPayload): unknown {
    const current = version === type.version ? value : this.#upcast(type, version, value, payload);
    assertValid(type, current, this.#failureAt(payload));
    return current;
  }

  #upcast(type: CheckedType, version: number, value: unknown, payload: StoredPayload): unknown {
    const stored = placeOf(payload);
    let current = value;
    for (const [index, step] of type.steps.slice(version - type.oldestVersion).entries()) {
      const from = version + index;
      const failed = (reason: string, details: { cause?: unknown } = {}) =>
        readingFailed(
          "UPCAST_FAILED",
          `cannot be upcast to "${type.name}" of version ${from + 1}: ${reason}`,
          this.#kind,
          payload,
          details,
        );
      try {
        current = step(current, stored);
      } catch (cause) {
        throw failed(reasonOf(cause), { cause });
      }
      if (isPromise(current)) throw failed("the upcaster is asynchronous");
    }
    return current;
  }

  #replaceUnknown(
    schema: SchemaVersion | undefined,
    value: unknown,
    payload: StoredPayload,
  ): Value {
    const { onUnknown } = this.#schema;
    const fail = this.#failureAt(payload);
    if (!onUnknown) throw fail("UNKNOWN_SCHEMA", this.#describeUnknown(schema));
    let replacement: Value;
    try {
      replacement = onUnknown({ schema, value, ...placeOf(payload) });
    } catch (cause) {
      const problem = `${this.#describeUnknown(schema)}, and onUnknown failed: ${reasonOf(cause)}`;
      throw fail("UNKNOWN_SCHEMA", problem, { cause });
    }
    if (isPromise(replacement)) throw fail("UNKNOWN_SCHEMA", "has an asynchronous onUnknown");
    assertValid(this.#typeOf(replacement, fail), replacement, fail);
    return replacement;
  }

  #failureAt(payload: StoredPayload): Fail {
    return (code, problem, details) => readingFailed(code, problem, this.#kind, payload, details);
  }

  #describeUnknown(schema: SchemaVersion | undefined): string {
    if (!schema) return "was stored without a schema, and no unversioned says what it is";
    const stored = `is a "${schema.name}" of version ${schema.version}`;
    const type = this.#schema.types.get(schema.name);
    if (!type) return `${stored}, a type that the schema does not have`;
    const { oldestVersion, version } = type;
    const known = oldestVersion === version ? version : `${oldestVersion} to ${version}`;
    return `${stored}, the schema knows only version ${known}`;
  }
}

/** Makes the error of a value that cannot be stored or read. */
type Fail = (
  code: "UNKNOWN_SCHEMA" | "VALIDATION_FAILED",
  problem: string,
  details?: ValidationFailure,
) => PersistenceError;

function assertValid(type: CheckedType, value: unknown, fail: Fail): void {
  if (!type.validator) return;
  const failure = validate(type.validator, value);
  if (!failure) return;
  const problem = `is no valid "${type.name}" of version ${type.version}`;
  throw fail("VALIDATION_FAILED", `${problem}: ${describeIssues(failure)}`, failure);
}

function placeOf({ actorId, sequenceNumber, timeMs }: StoredPayload): StoredPlace {
  return { actorId, sequenceNumber, timestamp: new Date(timeMs) };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
