/**
 * Checks schemas when a journal or snapshot store is created, so that a mistake in a schema is not
 * found only when the first old message is read.
 *
 * @module
 */

import { checkInteger, checkOptions, describeType } from "../errors/arguments.ts";
import { ArgumentRangeError, ArgumentTypeError } from "../errors/persistence_error.ts";
import { MAX_SCHEMA_NAME_BYTES, MAX_SCHEMA_VERSION } from "../format/schema_tag.ts";
import {
  type Schema,
  SCHEMA_NAMES,
  type SchemaFallbacks,
  type SchemaVersion,
  type SingleSchema,
  type StoredPlace,
  TYPE_SCHEMA_NAMES,
  type TypeSchema,
  type UnionSchema,
} from "../ports/schema.ts";
import type { StandardSchema } from "../ports/standard_schema.ts";
import { isWellFormed } from "../util/text.ts";

/** Names with this prefix are reserved for this package. */
const RESERVED_NAME_PREFIX = "@cajun/";

/** An upcaster with a type that can be called. */
export type UpcastStep = (value: unknown, place: StoredPlace) => unknown;

/** A type that has been checked. */
export interface CheckedType extends SchemaVersion {
  /** The validator, if there is one. */
  readonly validator: StandardSchema<unknown> | undefined;
  /** The oldest version that can be read. */
  readonly oldestVersion: number;
  /** The upcasters to the current version, one from each version, the oldest first. */
  readonly steps: readonly UpcastStep[];
}

/**
 * A schema that has been checked, in the same form for one type and for several.
 *
 * @typeParam Value The type of the values in the journal or snapshot store.
 */
export interface CheckedSchema<Value> extends SchemaFallbacks<Value> {
  /** The types, by name. */
  readonly types: ReadonlyMap<string, CheckedType>;
  /** Finds the type of a value. `undefined` if the schema has a single type. */
  readonly typeOf: ((value: Value) => string) | undefined;
}

/**
 * Checks a schema.
 *
 * @typeParam Value The type of the values in the journal or snapshot store.
 * @param schema The schema.
 * @param operation The caller's operation, for the error message.
 * @returns The checked schema.
 * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the schema is invalid.
 */
export function checkSchema<Value>(
  schema: Schema<Value>,
  operation: string,
): CheckedSchema<Value> {
  checkOptions(schema, operation, SCHEMA_NAMES, "schema");
  const { unversioned, onUnknown } = schema;
  const types = isUnion(schema) ? checkTypes(schema, operation) : checkOnlyType(schema, operation);
  if (unversioned !== undefined && typeof unversioned !== "function") {
    checkObject(unversioned, "schema.unversioned", operation);
    checkReadable(unversioned, types, operation);
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
  return "types" in schema && schema.types !== undefined;
}

function checkOnlyType<Value>(
  schema: SingleSchema<Value>,
  operation: string,
): Map<string, CheckedType> {
  if (hasOption(schema, "typeOf")) {
    throw new ArgumentTypeError(`Cannot ${operation}: schema.typeOf needs schema.types`);
  }
  return new Map([[schema.name, checkType(schema, "schema", operation)]]);
}

function checkTypes<Value>(
  schema: UnionSchema<Value>,
  operation: string,
): Map<string, CheckedType> {
  const { types, typeOf } = schema;
  for (const name of Object.keys(TYPE_SCHEMA_NAMES)) {
    if (!hasOption(schema, name)) continue;
    throw new ArgumentTypeError(
      `Cannot ${operation}: schema must have either types or ${name}, not both: each type has its own`,
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
    checkOptions(type, operation, TYPE_SCHEMA_NAMES, `schema.types[${index}]`);
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
  // The validators of some libraries are functions.
  const hasProperties = typeof validator === "object" || typeof validator === "function";
  const standard = hasProperties && validator !== null ? validator["~standard"] : undefined;
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: ${path} must be a validator that implements version 1 of Standard Schema`,
    );
  }
}

/**
 * The upcasters, the oldest first. None may be missing between the oldest and the current version.
 */
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
        `Cannot ${operation}: the keys of ${path} must be versions from 1 to ${
          version - 1
        }, not "${key}"`,
      );
    }
  }
  // Keys that are integers come in ascending order.
  const missing = Object.keys(upcasters).map((from) => Number(from) + 1)
    .find((next) => next < version && !Object.hasOwn(upcasters, next));
  if (missing !== undefined) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: ${path} has no upcaster from version ${missing}, so older versions cannot be read`,
    );
  }
  return Object.entries(upcasters).map(([from, upcaster]) => {
    checkFunction(upcaster, `${path}[${from}]`, operation);
    // That the upcaster takes what its version has stored is up to the user: no type can check it.
    return upcaster as UpcastStep;
  });
}

function checkReadable(
  { name, version }: SchemaVersion,
  types: ReadonlyMap<string, CheckedType>,
  operation: string,
): void {
  const type = types.get(name);
  if (!type || !canRead(type, version)) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: schema.unversioned must be a type and version that the schema can read, not version ${version} of "${name}"`,
    );
  }
}

/**
 * Whether values of a version of a type can be read.
 *
 * @param type The type.
 * @param version The version.
 * @returns Whether it is the current version, or there are upcasters from it.
 */
export function canRead(type: CheckedType, version: number): boolean {
  return Number.isInteger(version) && version >= type.oldestVersion && version <= type.version;
}

/** Whether an object has an option that another kind of schema has. */
function hasOption(schema: object, name: string): boolean {
  return Reflect.get(schema, name) !== undefined;
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
