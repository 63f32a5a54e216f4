/**
 * Checks schemas when a journal or snapshot store is created, so that a mistake in one is not found
 * out only by the first old message.
 *
 * @module
 */

import { checkInteger, describeType } from "./arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";
import { isWellFormed } from "./keys.ts";
import type {
  Schema,
  SchemaFallbacks,
  SchemaVersion,
  StoredPlace,
  TypeSchema,
  UnionSchema,
} from "./schema.ts";
import { MAX_SCHEMA_NAME_BYTES, MAX_SCHEMA_VERSION } from "./schema_tag.ts";
import type { StandardSchema } from "./standard_schema.ts";

/** Names that begin like this are ours. */
export const RESERVED_NAME_PREFIX = "@cajun/";

/** An upcaster, as it is called. */
export type UpcastStep = (value: unknown, place: StoredPlace) => unknown;

/** A type that has been checked. */
export interface CheckedType extends SchemaVersion {
  readonly validator: StandardSchema<unknown> | undefined;
  /** The oldest version that can be read. */
  readonly oldestVersion: number;
  /** What makes a value of the current version: one step for each version from the oldest on. */
  readonly steps: readonly UpcastStep[];
}

/** A schema that has been checked, without the difference between one type and several. */
export interface CheckedSchema<Value> extends SchemaFallbacks<Value> {
  /** The types, by name. */
  readonly types: ReadonlyMap<string, CheckedType>;
  /** Tells the type of a value. `undefined` where there is only one. */
  readonly typeOf: ((value: Value) => string) | undefined;
}

/**
 * Checks a schema.
 *
 * @param schema The schema.
 * @param operation What the caller is about to do, for the error's message.
 * @returns The schema.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` where something in it is bad.
 */
export function checkSchema<Value>(
  schema: Schema<Value>,
  operation: string,
): CheckedSchema<Value> {
  checkObject(schema, "schema", operation);
  const { unversioned, onUnknown } = schema;
  const types = isUnion(schema)
    ? checkTypes(schema, operation)
    : new Map([[schema.name, checkType(schema, "schema", operation)]]);
  if (unversioned !== undefined && typeof unversioned !== "function") {
    checkObject(unversioned, "schema.unversioned", operation);
    checkKnown(unversioned, types, operation);
  }
  if (onUnknown !== undefined) checkFunction(onUnknown, "schema.onUnknown", operation);
  return {
    types,
    typeOf: isUnion(schema) ? (value) => schema.typeOf(value) : undefined,
    ...(unversioned !== undefined && { unversioned }),
    ...(onUnknown !== undefined && { onUnknown }),
  };
}

function isUnion<Value>(schema: Schema<Value>): schema is UnionSchema<Value> {
  return "types" in schema;
}

function checkTypes<Value>(
  schema: UnionSchema<Value>,
  operation: string,
): Map<string, CheckedType> {
  const { types, typeOf } = schema;
  if ("name" in schema || "version" in schema) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: schema must have either a name and a version, or types, not both`,
    );
  }
  if (!Array.isArray(types)) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: schema.types must be an array, not ${describeType(types)}`,
    );
  }
  checkFunction(typeOf, "schema.typeOf", operation);
  const checked = new Map<string, CheckedType>();
  for (const [index, type] of types.entries()) {
    const one = checkType(type, `schema.types[${index}]`, operation);
    if (checked.has(one.name)) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: schema.types has more than one type "${one.name}"`,
      );
    }
    checked.set(one.name, one);
  }
  if (checked.size === 0) {
    throw new ArgumentRangeError(`Cannot ${operation}: schema.types is empty`);
  }
  return checked;
}

function checkType<Value>(
  type: TypeSchema<Value>,
  path: string,
  operation: string,
): CheckedType {
  checkObject(type, path, operation);
  const { name, version, validator, upcasters = {} } = type;
  checkName(name, `${path}.name`, operation);
  checkInteger(version, `${path}.version`, 1, MAX_SCHEMA_VERSION, operation);
  if (validator !== undefined) checkValidator(validator, `${path}.validator`, operation);
  const steps = checkUpcasters(upcasters, version, `${path}.upcasters`, operation);
  return { name, version, validator, steps, oldestVersion: version - steps.length };
}

function checkName(name: string, path: string, operation: string): void {
  if (typeof name !== "string") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path} must be a string, not ${describeType(name)}`,
    );
  }
  const bytes = new TextEncoder().encode(name).length;
  if (bytes === 0 || bytes > MAX_SCHEMA_NAME_BYTES || !isWellFormed(name)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${path} must be a well-formed string of 1 to ${MAX_SCHEMA_NAME_BYTES} bytes of UTF-8, not ${
        JSON.stringify(name.slice(0, 32))
      }`,
    );
  }
  if (name.startsWith(RESERVED_NAME_PREFIX)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${path} must not begin with "${RESERVED_NAME_PREFIX}"`,
    );
  }
}

function checkValidator(
  validator: StandardSchema<unknown>,
  path: string,
  operation: string,
): void {
  // Those of some libraries are functions.
  const isCarrier = typeof validator === "object" || typeof validator === "function";
  const standard = isCarrier && validator !== null ? validator["~standard"] : undefined;
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path} must be a validator with the interface Standard Schema, version 1`,
    );
  }
}

/** The upcasters, the oldest first. Each must lead on, up to the current version. */
function checkUpcasters(
  upcasters: NonNullable<TypeSchema<unknown>["upcasters"]>,
  version: number,
  path: string,
  operation: string,
): UpcastStep[] {
  checkObject(upcasters, path, operation);
  for (const key of Object.keys(upcasters)) {
    const from = Number(key);
    if (!Number.isInteger(from) || String(from) !== key || from < 1 || from >= version) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: ${path} must have versions from 1 to ${
          version - 1
        } as keys, not "${key}"`,
      );
    }
  }
  // Keys that are integers come in ascending order.
  return Object.entries(upcasters).map(([key, upcaster], index, { length }) => {
    const from = version - length + index;
    if (Number(key) !== from) {
      throw new ArgumentRangeError(
        `Cannot ${operation}: ${path} has none from version ${from}, so that older ones lead nowhere`,
      );
    }
    checkFunction(upcaster, `${path}[${key}]`, operation);
    // What a version stored is what its upcaster takes: the user's word, which no type can check.
    return upcaster as UpcastStep;
  });
}

function checkKnown(
  { name, version }: SchemaVersion,
  types: ReadonlyMap<string, CheckedType>,
  operation: string,
): void {
  const type = types.get(name);
  if (!type || !canRead(type, version)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: schema.unversioned must be a type and version that it can read, not "${name}" of version ${version}`,
    );
  }
}

/**
 * Whether values of a version can be read.
 *
 * @param type The type.
 * @param version The version.
 * @returns Whether it is the current one, or there are upcasters from it.
 */
export function canRead(type: CheckedType, version: number): boolean {
  return Number.isInteger(version) && version >= type.oldestVersion && version <= type.version;
}

function checkObject(value: object, path: string, operation: string): void {
  if (typeof value !== "object" || value === null) {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path} must be an object, not ${describeType(value)}`,
    );
  }
}

function checkFunction(value: unknown, path: string, operation: string): void {
  if (typeof value !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path} must be a function, not ${describeType(value)}`,
    );
  }
}
