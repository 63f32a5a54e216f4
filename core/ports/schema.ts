/**
 * Schemas: the types of messages and states, and how values that older code has stored become what
 * today's code expects.
 *
 * @module
 */

import type { OptionNames } from "../util/option_names.ts";
import type { Metadata } from "./metadata.ts";
import type { StandardSchema } from "./standard_schema.ts";

/**
 * The name and version of a type. Both are stored with every message and state that has a schema.
 */
export interface SchemaVersion {
  /**
   * The name of the type: 1 to 255 bytes of well-formed UTF-8. It must never change. Names that
   * begin with `@cajun/` are reserved: entries in which an actor stores something of its own, such
   * as that an effect was delivered, have the name `@cajun/actor`.
   */
  readonly name: string;
  /** The version: an integer from 1 to 2^31 - 1. */
  readonly version: number;
}

/** Where and when a value was stored. */
export interface StoredPlace {
  /** The id of the actor. */
  readonly actorId: string;
  /** The sequence number of the message, or of the last message that the state includes. */
  readonly sequenceNumber: number;
  /** When the value was appended or saved. */
  readonly timestamp: Date;
  /** The metadata that a message was appended with. Absent if there was none. */
  readonly metadata?: Metadata;
}

/** A stored value that a schema does not know. */
export interface UnknownValue extends StoredPlace {
  /**
   * The type and version that it was stored as, or `undefined` if it was stored without a schema.
   */
  readonly schema: SchemaVersion | undefined;
  /** The value, as it was stored. */
  readonly value: unknown;
}

/**
 * Converts a value of one version to the next version. It runs whenever an old value is read, so it
 * must be synchronous and depend on nothing but its arguments. It may change the value that it
 * gets.
 *
 * The type of the parameter is `never` so that a function of any old type is assignable:
 * `(cart: CartV1) => CartV2`.
 *
 * @param value The value of the old version.
 * @param place Where and when the value was stored.
 * @returns The value of the next version.
 */
export type Upcaster = (value: never, place: StoredPlace) => unknown;

/**
 * The current version of one type.
 *
 * @typeParam Value The current version of the type.
 */
export interface TypeSchema<Value> extends SchemaVersion {
  /**
   * Checks each value before it is stored, and after it was read and upcast: any validator that
   * implements {@link https://standardschema.dev | Standard Schema}. It must be synchronous,
   * because messages are stored in the order of the calls. It only checks: defaults, conversions
   * and the removal of unknown properties change neither what is stored nor what is read, so that a
   * replay yields what the actor had before. Use upcasters to change data.
   *
   * @default {undefined} Any value is valid.
   */
  readonly validator?: StandardSchema<Value>;
  /**
   * For each old version that can still be read, the upcaster from it to the next version: with `{
   * 1: fromFirstToSecond, 2: fromSecondToThird }` a type of version 3 reads all three versions. No
   * version between the oldest one and the current one may be missing.
   *
   * @default {undefined} Only the current version can be read.
   */
  readonly upcasters?: { readonly [fromVersion: number]: Upcaster };
}

/** The names of {@linkcode TypeSchema}. */
export const TYPE_SCHEMA_NAMES: OptionNames<TypeSchema<unknown>> = {
  name: true,
  version: true,
  validator: true,
  upcasters: true,
};

/**
 * What happens to stored values that a schema does not know.
 *
 * @typeParam Value The type of the values in the journal or snapshot store.
 */
export interface SchemaFallbacks<Value> {
  /**
   * The type and version of values that were stored without a schema: the same for all, or a
   * function that finds them by the value. Such a value is upcast and validated as if it had been
   * stored with that type and version.
   *
   * @default {undefined} Such values are unknown.
   */
  readonly unversioned?: SchemaVersion | ((value: unknown, place: StoredPlace) => SchemaVersion);
  /**
   * Replaces a value whose type or version is unknown, such as a type that was renamed or removed,
   * or a version that newer code has written. The replacement is validated. The function must be
   * synchronous.
   *
   * @param unknown The value, and the type and version that it was stored as.
   * @returns The replacement.
   * @default {undefined} Reading fails with `UNKNOWN_SCHEMA`.
   */
  readonly onUnknown?: (unknown: UnknownValue) => Value;
}

/**
 * The schema of a journal or snapshot store whose values are all of one type.
 *
 * @typeParam Value The type.
 */
export interface SingleSchema<Value> extends TypeSchema<Value>, SchemaFallbacks<Value> {}

/**
 * The schema of a journal or snapshot store whose values are of several types, each with a name, a
 * version, a validator and upcasters of its own.
 *
 * @typeParam Value The union of the types.
 */
export interface UnionSchema<Value> extends SchemaFallbacks<Value> {
  /** The types: at least one, each with a different name. */
  readonly types: readonly TypeSchema<Value>[];
  /**
   * Finds the type of a value that is about to be stored.
   *
   * @param value The value.
   * @returns The name of its type.
   */
  readonly typeOf: (value: Value) => string;
}

/**
 * The types of the messages of a journal, or of the states of a snapshot store.
 *
 * The name and version of its type are stored with each value. A value of an older version is
 * upcast when it is read; what is stored is never rewritten.
 *
 * A value may be anything but an object with a property `@cajun/actor`. A `StatefulActor` uses such
 * objects to store something of its own with a value, and the schema then applies to the user's
 * value inside.
 *
 * @typeParam Value The type of the values in the journal or snapshot store.
 *
 * @example A type in its second version
 * ```ts
 * import type { Schema } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * interface DepositV1 {
 *   amount: number;
 * }
 * interface Deposit {
 *   cents: number;
 *   currency: string;
 * }
 * const schema: Schema<Deposit> = {
 *   name: "deposit",
 *   version: 2,
 *   upcasters: {
 *     1: ({ amount }: DepositV1): Deposit => ({ cents: 100 * amount, currency: "EUR" }),
 *   },
 * };
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * const old = provider.createMessageJournal<DepositV1>({ schema: { name: "deposit", version: 1 } });
 * await old.append("account-1", { amount: 12 });
 *
 * const journal = provider.createMessageJournal<Deposit>({ schema });
 * await journal.append("account-1", { cents: 50, currency: "EUR" });
 * for (const { message, schema } of await journal.readFrom("account-1", 0)) {
 *   console.log(message.cents, schema?.version); // 1200 1, then 50 2
 * }
 * ```
 *
 * @example Several types in one journal
 * ```ts
 * import type { Schema } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * type Event = { type: "opened"; by: string } | { type: "closed" };
 * const schema: Schema<Event> = {
 *   types: [{ name: "opened", version: 1 }, { name: "closed", version: 1 }],
 *   typeOf: (event) => event.type,
 * };
 * await using provider = await MemoryPersistenceProvider.open();
 * const journal = provider.createMessageJournal({ schema });
 * await journal.append("door-1", { type: "opened", by: "Ada" });
 * console.log((await journal.readFrom("door-1", 0))[0]?.schema); // { name: "opened", version: 1 }
 * ```
 */
export type Schema<Value> = SingleSchema<Value> | UnionSchema<Value>;

/** The names of {@linkcode Schema}, of both kinds. */
export const SCHEMA_NAMES: OptionNames<SingleSchema<unknown> & UnionSchema<unknown>> = {
  ...TYPE_SCHEMA_NAMES,
  unversioned: true,
  onUnknown: true,
  types: true,
  typeOf: true,
};
