/**
 * The events and the state of a shopping cart, as three generations of one program know them.
 *
 * @module
 */

import type {
  Schema,
  SchemaVersion,
  SingleSchema,
  UnionSchema,
} from "../../../core/ports/schema.ts";
import type { StandardSchema } from "../../../core/ports/standard_schema.ts";

/** Version 1: one piece, its price in euros. */
export interface ItemAddedV1 {
  type: "item added";
  sku: string;
  price: number;
}

/** Version 2: any number of pieces. */
export interface ItemAddedV2 extends ItemAddedV1 {
  quantity: number;
}

/** Version 3: the price in cents. */
export interface ItemAdded {
  type: "item added";
  sku: string;
  quantity: number;
  cents: number;
}

/** It has always been like this. */
export interface ItemRemoved {
  type: "item removed";
  sku: string;
}

/** What happens to a cart, today. */
export type CartEvent = ItemAdded | ItemRemoved;
/** What happened to it in the second generation. */
export type CartEventV2 = ItemAddedV2 | ItemRemoved;
/** What happened to it in the first one. */
export type CartEventV1 = ItemAddedV1 | ItemRemoved;

/** An event of today. */
export const ADDED: ItemAdded = { type: "item added", sku: "ink", quantity: 2, cents: 350 };
/** Another one. */
export const REMOVED: ItemRemoved = { type: "item removed", sku: "ink" };

/** From version 1 to 2. */
export function addQuantity(event: ItemAddedV1): ItemAddedV2 {
  return { ...event, quantity: 1 };
}

/** From version 2 to 3. */
export function toCents({ type, sku, quantity, price }: ItemAddedV2): ItemAdded {
  return { type, sku, quantity, cents: Math.round(100 * price) };
}

/**
 * A validator of objects whose properties have certain types.
 *
 * @param types The type of each property, as `typeof` gives it.
 * @returns The validator.
 */
export function objectOf<Value>(types: Readonly<Record<string, string>>): StandardSchema<Value> {
  return validatorOf((value) => {
    if (typeof value !== "object" || value === null) return [{ message: "must be an object" }];
    return Object.entries(types).filter(([name, type]) => typeNameOf(value, name) !== type)
      .map(([name, type]) => ({ message: `must be a ${type}`, path: [name] }));
  });
}

function typeNameOf(value: object, name: string): string {
  return typeof Reflect.get(value, name);
}

/**
 * A validator by hand.
 *
 * @param issuesOf Finds what is wrong with a value.
 * @returns The validator.
 */
export function validatorOf<Value>(
  issuesOf: (value: unknown) => readonly { message: string; path?: readonly string[] }[],
): StandardSchema<Value> {
  return {
    "~standard": {
      version: 1,
      vendor: "conformance",
      validate(value) {
        const issues = issuesOf(value);
        // What has no issues is such a value.
        return issues.length > 0 ? { issues } : { value: value as Value };
      },
    },
  };
}

const typeOf = ({ type }: { readonly type: string }) => type;

const ITEM_REMOVED = {
  name: "item removed",
  version: 1,
  validator: objectOf<ItemRemoved>({ sku: "string" }),
};

/** The schema of the first generation. */
export const CART_V1: UnionSchema<CartEventV1> = {
  types: [{
    name: "item added",
    version: 1,
    validator: objectOf<ItemAddedV1>({ sku: "string", price: "number" }),
  }, ITEM_REMOVED],
  typeOf,
};

/** The schema of the second generation. */
export const CART_V2: UnionSchema<CartEventV2> = {
  types: [{
    name: "item added",
    version: 2,
    upcasters: { 1: addQuantity },
    validator: objectOf<ItemAddedV2>({ sku: "string", price: "number", quantity: "number" }),
  }, ITEM_REMOVED],
  typeOf,
};

/** The schema of today. */
export const CART: UnionSchema<CartEvent> = {
  types: [{
    name: "item added",
    version: 3,
    upcasters: { 1: addQuantity, 2: toCents },
    validator: objectOf<ItemAdded>({ sku: "string", cents: "number", quantity: "number" }),
  }, ITEM_REMOVED],
  typeOf,
  unversioned: (event) => ({ name: (event as CartEventV1).type, version: 1 }),
};

/** The states of a cart in its first version: in euros. */
export interface CartV1 {
  skus: string[];
  total: number;
}

/** The states of a cart today: in cents. */
export interface Cart {
  skus: string[];
  cents: number;
}

/** The schema of states in the first generation. */
export const CART_STATE_V1: SingleSchema<CartV1> = {
  name: "cart",
  version: 1,
  validator: objectOf({ skus: "object", total: "number" }),
};

/** The schema of states today. */
export const CART_STATE: SingleSchema<Cart> = {
  name: "cart",
  version: 2,
  upcasters: {
    1: ({ skus, total }: CartV1): Cart => ({ skus, cents: Math.round(100 * total) }),
  },
  validator: objectOf({ skus: "object", cents: "number" }),
  unversioned: { name: "cart", version: 1 },
};

/**
 * The schema of texts in some version, each upcaster of which appends the version that it leads to.
 *
 * @param version The version.
 * @param oldest The oldest version that it reads.
 * @returns The schema.
 */
export function textSchema(version: number, oldest = 1): SingleSchema<string> {
  const upcasters: Record<number, (text: string) => string> = {};
  for (let from = oldest; from < version; from++) {
    upcasters[from] = (text) => `${text} → ${from + 1}`;
  }
  return { name: "text", version, upcasters };
}

/**
 * The same schema, with something else in it.
 *
 * @param schema The schema.
 * @param change What is else.
 * @returns The schema.
 */
export function withChange<Value>(
  schema: SingleSchema<Value>,
  change: Partial<SingleSchema<Value>>,
): Schema<Value> {
  return { ...schema, ...change };
}

/** What entries of a type are stored as. */
export function storedAs(name: string, version: number): SchemaVersion {
  return { name, version };
}
