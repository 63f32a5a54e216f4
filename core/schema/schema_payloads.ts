/**
 * Payloads with schemas: a tag names the type and version of each value. Old versions are upcast
 * when they are read; what is stored is never rewritten.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { describeType } from "../errors/arguments.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import { type EncodedValue, encodedValue } from "../format/encoded_run.ts";
import { encodeHeader, FLAGS_BYTES, type PayloadParts } from "../format/payload.ts";
import { encodeTag, TagTable } from "../format/schema_tag.ts";
import type { Codec } from "../ports/codec.ts";
import type { Metadata } from "../ports/metadata.ts";
import type { Schema, SchemaVersion, StoredPlace } from "../ports/schema.ts";
import {
  type DecodedPayload,
  decodeMetadata,
  decodeValue,
  encodeMetadata,
  encodeValue,
  erasedPayload,
  type PayloadNouns,
  type Payloads,
  readError,
  readParts,
  readTag,
  type StoredPayload,
} from "./payloads.ts";
import { canRead, type CheckedSchema, type CheckedType, checkSchema } from "./schema_check.ts";
import { describeIssues, validate, type ValidationFailure } from "./validator.ts";
import { isUnwantedPromise } from "../util/promises.ts";
import { messageOf } from "../util/text.ts";

/** A type, with what precedes its values. */
interface TypeHeader {
  readonly tag: Uint8Array;
  /** The header of payloads without metadata. */
  readonly plain: Uint8Array;
}

/** A stored value with what was stored beside it. */
interface StoredValue {
  readonly payload: StoredPayload;
  /** The type and version that it was stored as, or `undefined` if it was stored without a schema. */
  readonly schema: SchemaVersion | undefined;
  /** Absent if the schema cannot read this type and version. */
  readonly readable: ReadableVersion | undefined;
  readonly metadata: Metadata | undefined;
}

/** A version of a type that can be read. */
interface ReadableVersion {
  readonly type: CheckedType;
  /** The `schema` of entries and snapshots. */
  readonly schema: SchemaVersion;
}

/**
 * The payloads of a journal or snapshot store that has a schema.
 *
 * @typeParam Value The type of the values in the journal or snapshot store.
 */
export class SchemaPayloads<Value> implements Payloads {
  readonly #codec: Codec;
  readonly #nouns: PayloadNouns;
  readonly #schema: CheckedSchema<Value>;
  readonly #onlyType: CheckedType | undefined;
  readonly #headers = new Map<CheckedType, TypeHeader>();
  readonly #readable = new TagTable<ReadableVersion>();

  /**
   * Creates the payloads of a journal or snapshot store, and checks the schema.
   *
   * @param codec Encodes and decodes the values.
   * @param nouns What the payloads contain.
   * @param schema The schema.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the schema is invalid.
   */
  constructor(codec: Codec, nouns: PayloadNouns, schema: Schema<Value>) {
    this.#codec = codec;
    this.#nouns = nouns;
    this.#schema = checkSchema(schema, `create ${nouns.container}`);
    for (const type of this.#schema.types.values()) this.#addType(type);
    const [first] = this.#schema.types.values();
    this.#onlyType = this.#schema.typeOf ? undefined : first;
  }

  /** See {@linkcode Payloads.encode}. */
  encode(
    value: unknown,
    operation: string,
    actor: ActorAddress,
    metadata?: Uint8Array,
  ): EncodedValue {
    const { value: noun } = this.#nouns;
    const fail: Fail = (code, problem, details) =>
      new PersistenceError(
        code,
        `Cannot ${operation} ${describeActor(actor)}: the ${noun} ${problem}`,
        { ...details, ...detailsOf(actor) },
      );
    const { tag, plain } = this.#headerOf(value, fail);
    const header = metadata ? encodeHeader(tag, metadata) : plain;
    return encodedValue(header, encodeValue(this.#codec, value, operation, actor));
  }

  /** See {@linkcode Payloads.encodeMetadata}. */
  encodeMetadata(metadata: Metadata, operation: string, actor: ActorAddress): Uint8Array {
    return encodeMetadata(this.#codec, metadata, operation, actor);
  }

  /** See {@linkcode Payloads.decode}. */
  decode(payload: StoredPayload): DecodedPayload {
    const parts = readParts(payload, this.#nouns);
    const readable = this.#readableOf(payload, parts);
    const schema = readable?.schema ??
      (parts.tagBytes > 0 ? readTag(payload, parts, this.#nouns) : undefined);
    let metadata: Metadata | undefined;
    let decoded: unknown;
    try {
      metadata = decodeMetadata(this.#codec, payload, parts, this.#nouns);
      decoded = decodeValue(this.#codec, payload, parts, this.#nouns);
    } catch (error) {
      return erasedPayload(error, schema);
    }
    const stored = { payload, schema, readable, metadata };
    return { value: this.#upgrade(decoded, stored), schema, metadata };
  }

  #readableOf(
    { bytes, payloadStart }: StoredPayload,
    { tagBytes }: PayloadParts,
  ): ReadableVersion | undefined {
    return tagBytes > 0
      ? this.#readable.get(bytes, payloadStart + FLAGS_BYTES, tagBytes)
      : undefined;
  }

  /** Converts a stored value to the current version of its type. */
  #upgrade(value: unknown, stored: StoredValue): unknown {
    const { schema, readable } = stored;
    if (!schema) return this.#fromUnversioned(value, stored);
    return readable
      ? this.#toCurrent(readable.type, schema.version, value, stored)
      : this.#replaceUnknown(schema, value, stored);
  }

  #addType(type: CheckedType): void {
    this.#headers.set(type, headerOf(type));
    for (let version = type.oldestVersion; version <= type.version; version++) {
      const schema = Object.freeze({ name: type.name, version });
      this.#readable.set(encodeTag(schema), { type, schema });
    }
  }

  /** The header of a value that is about to be stored, which must be valid. */
  #headerOf(value: unknown, fail: Fail): TypeHeader {
    // The caller passes values of the type that the journal or store was created with.
    const type = this.#typeOf(value as Value, fail);
    assertValid(type, value, fail);
    return this.#headers.get(type) ?? headerOf(type);
  }

  #typeOf(value: Value, fail: Fail): CheckedType {
    if (this.#onlyType) return this.#onlyType;
    let name: unknown;
    try {
      name = this.#schema.typeOf?.(value);
    } catch (cause) {
      throw fail("UNKNOWN_SCHEMA", `has no type: ${messageOf(cause)}`, { cause });
    }
    const type = typeof name === "string" ? this.#schema.types.get(name) : undefined;
    if (type) return type;
    const found = typeof name === "string" ? `"${name}"` : describeType(name);
    throw fail("UNKNOWN_SCHEMA", `is of type ${found}, which is not in the schema`);
  }

  #fromUnversioned(value: unknown, stored: StoredValue): unknown {
    const { unversioned } = this.#schema;
    if (!unversioned) return this.#replaceUnknown(undefined, value, stored);
    const schema = typeof unversioned === "function"
      ? this.#resolveUnversioned(() => unversioned(value, placeOf(stored)), stored)
      : unversioned;
    const type = this.#schema.types.get(schema.name);
    return type && canRead(type, schema.version)
      ? this.#toCurrent(type, schema.version, value, stored)
      : this.#replaceUnknown(schema, value, stored);
  }

  #resolveUnversioned(resolve: () => SchemaVersion, stored: StoredValue): SchemaVersion {
    try {
      const { name, version } = resolve();
      return { name, version };
    } catch (cause) {
      const problem = `was stored without a schema, and unversioned failed: ${messageOf(cause)}`;
      throw readError("UNKNOWN_SCHEMA", problem, this.#nouns, stored.payload, { cause });
    }
  }

  /** Upcasts a value to the current version of its type, and validates it. */
  #toCurrent(type: CheckedType, version: number, value: unknown, stored: StoredValue): unknown {
    const current = version === type.version ? value : this.#upcast(type, version, value, stored);
    assertValid(type, current, this.#failureAt(stored));
    return current;
  }

  #upcast(type: CheckedType, version: number, value: unknown, stored: StoredValue): unknown {
    const place = placeOf(stored);
    let current = value;
    for (const [index, step] of type.steps.slice(version - type.oldestVersion).entries()) {
      const from = version + index;
      const failed = (reason: string, details: { cause?: unknown } = {}) =>
        readError(
          "UPCAST_FAILED",
          `cannot be upcast to version ${from + 1} of "${type.name}": ${reason}`,
          this.#nouns,
          stored.payload,
          details,
        );
      try {
        current = step(current, place);
      } catch (cause) {
        throw failed(messageOf(cause), { cause });
      }
      if (isUnwantedPromise(current)) throw failed("the upcaster is asynchronous");
    }
    return current;
  }

  #replaceUnknown(
    schema: SchemaVersion | undefined,
    value: unknown,
    stored: StoredValue,
  ): Value {
    const { onUnknown } = this.#schema;
    const fail = this.#failureAt(stored);
    if (!onUnknown) throw fail("UNKNOWN_SCHEMA", this.#describeUnknown(schema));
    let replacement: Value;
    try {
      replacement = onUnknown({ schema, value, ...placeOf(stored) });
    } catch (cause) {
      const problem = `${this.#describeUnknown(schema)}, and onUnknown failed: ${messageOf(cause)}`;
      throw fail("UNKNOWN_SCHEMA", problem, { cause });
    }
    if (isUnwantedPromise(replacement)) {
      const problem = `${this.#describeUnknown(schema)}, and onUnknown is asynchronous`;
      throw fail("UNKNOWN_SCHEMA", problem);
    }
    assertValid(this.#typeOf(replacement, fail), replacement, fail);
    return replacement;
  }

  #failureAt({ payload }: StoredValue): Fail {
    return (code, problem, details) => readError(code, problem, this.#nouns, payload, details);
  }

  #describeUnknown(schema: SchemaVersion | undefined): string {
    if (!schema) return "was stored without a schema, and the schema has no unversioned";
    const stored = `was stored as version ${schema.version} of "${schema.name}"`;
    const type = this.#schema.types.get(schema.name);
    if (!type) return `${stored}, which is not in the schema`;
    const { oldestVersion, version } = type;
    const readable = oldestVersion === version
      ? `version ${version}`
      : `versions ${oldestVersion} to ${version}`;
    return `${stored}, but the schema can read only ${readable}`;
  }
}

/** Creates the error of a value that cannot be stored or read. */
type Fail = (
  code: "UNKNOWN_SCHEMA" | "VALIDATION_FAILED",
  problem: string,
  details?: ValidationFailure,
) => PersistenceError;

function assertValid(type: CheckedType, value: unknown, fail: Fail): void {
  if (!type.validator) return;
  const failure = validate(type.validator, value);
  if (!failure) return;
  const problem = `does not match version ${type.version} of "${type.name}"`;
  throw fail("VALIDATION_FAILED", `${problem}: ${describeIssues(failure)}`, failure);
}

function headerOf(type: SchemaVersion): TypeHeader {
  const tag = encodeTag(type);
  return { tag, plain: encodeHeader(tag, undefined) };
}

function placeOf({ payload, metadata }: StoredValue): StoredPlace {
  const { actor: { actorId }, sequenceNumber, timeMs } = payload;
  const timestamp = new Date(timeMs);
  return metadata
    ? { actorId, sequenceNumber, timestamp, metadata }
    : { actorId, sequenceNumber, timestamp };
}
