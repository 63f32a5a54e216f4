/**
 * Schemas: what messages and states are, and how those that older code has stored become what the
 * code of today expects.
 *
 * @module
 */

import type { StandardSchema } from "./standard_schema.ts";

/** The name and version of a type. Both are stored with every message and state that has a schema. */
export interface SchemaVersion {
  /**
   * The name of the type: 1 to 255 bytes of well-formed UTF-8. It never changes. Those that begin
   * with `@cajun/` are reserved: `@cajun/actor` stands with entries in which an actor has stored
   * something of its own, such as that an effect was delivered.
   */
  readonly name: string;
  /** The version: an integer from 1 to 2^31 - 1. */
  readonly version: number;
}

/** Where a stored value stands. */
export interface StoredPlace {
  /** The actor. */
  readonly actorId: string;
  /** The sequence number of the message, or of the last message that the state includes. */
  readonly sequenceNumber: number;
  /** When it was appended or saved. */
  readonly timestamp: Date;
}

/** A stored value that a schema does not know. */
export interface UnknownValue extends StoredPlace {
  /** What it was stored as, or `undefined` where it was stored without a schema. */
  readonly schema: SchemaVersion | undefined;
  /** The value, as it was stored. */
  readonly value: unknown;
}

/**
 * Makes a value of the next version. It must be synchronous and depend on nothing else, since it runs
 * whenever an old value is read. The value is its own to change.
 *
 * The parameter's type is `never` so that a function of any old type fits: `(cart: CartV1) => CartV2`.
 *
 * @param value The value of the old version.
 * @param place Where it is stored.
 * @returns The value of the version after that one.
 */
export type Upcaster = (value: never, place: StoredPlace) => unknown;

/**
 * The current version of one type.
 *
 * @typeParam Value The type as it is now.
 */
export interface TypeSchema<Value> extends SchemaVersion {
  /**
   * Checks each value before it is stored, and after it was read and upcast: any validator that keeps
   * to {@link https://standardschema.dev | Standard Schema}. It must be synchronous, because messages
   * are stored in the order of the calls, and it only checks: defaults, conversions and the removal of
   * unknown properties change neither what is stored nor what is read, so that a replay gives what
   * the actor had before. To change data is the business of upcasters. Default: any value is valid.
   */
  readonly validator?: StandardSchema<Value>;
  /**
   * For each old version that can still be read, what makes of its values those of the next version:
   * with `{ 1: fromFirstToSecond, 2: fromSecondToThird }` a type of version 3 reads all three. From the
   * first of them to the current version none may be missing. Default: only the current version is
   * read.
   */
  readonly upcasters?: { readonly [fromVersion: number]: Upcaster };
}

/**
 * What happens to stored values that a schema does not know.
 *
 * @typeParam Value What the journal or snapshot store holds.
 */
export interface SchemaFallbacks<Value> {
  /**
   * What a value is that was stored without a schema: the same for all, or told by the value. It is
   * then upcast and validated as if it had been stored with that. Default: it is unknown.
   */
  readonly unversioned?: SchemaVersion | ((value: unknown, place: StoredPlace) => SchemaVersion);
  /**
   * Called for a value whose name or version is not known: a type that was renamed or given up, a
   * version that newer code has written. What it returns is validated and takes the value's place.
   * It must be synchronous. Default: reading fails with `UNKNOWN_SCHEMA`.
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
  /** The types. No two have the same name. */
  readonly types: readonly TypeSchema<Value>[];
  /**
   * Tells which of the types a value is of, when it is stored.
   *
   * @param value The value.
   * @returns The name of its type.
   */
  readonly typeOf: (value: Value) => string;
}

/**
 * What the messages of a journal, or the states of a snapshot store, are.
 *
 * Values are anything but objects with a property `@cajun/actor`: with these a `StatefulActor` stores
 * something of its own, and the schema is about the user's value inside.
 *
 * Name and version of the type are stored with each value. A value of an older version is upcast when
 * it is read; what is stored is never rewritten.
 *
 * @typeParam Value What the journal or snapshot store holds.
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
