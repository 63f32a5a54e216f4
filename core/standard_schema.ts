/**
 * Standard Schema, the interface that validators of all libraries share: the part of it that is used
 * here, as types of our own, so that it needs no package.
 *
 * Source: {@link https://standardschema.dev | the specification}, version 1.
 *
 * @module
 */

/**
 * A validator of any library that keeps to {@link https://standardschema.dev | Standard Schema}, such
 * as zod, valibot and arktype.
 *
 * @typeParam Input What it accepts.
 * @typeParam Output What it makes of that.
 *
 * @example A validator by hand
 * ```ts
 * import type { StandardSchema } from "@cajun/persistence";
 *
 * const positive: StandardSchema<number> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       typeof value === "number" && value > 0
 *         ? { value }
 *         : { issues: [{ message: "must be a positive number" }] },
 *   },
 * };
 * console.log(positive["~standard"].validate(5)); // { value: 5 }
 * ```
 */
export interface StandardSchema<Input, Output = Input> {
  /** What Standard Schema says about it. */
  readonly "~standard": StandardSchemaProps<Input, Output>;
}

/** What Standard Schema says about a validator. */
export interface StandardSchemaProps<Input, Output = Input> {
  /** The version of Standard Schema. */
  readonly version: 1;
  /** The library that it comes from. */
  readonly vendor: string;
  /**
   * Validates a value.
   *
   * @param value The value.
   * @returns What it makes of the value, or what is wrong with it.
   */
  readonly validate: (
    value: unknown,
  ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
  /** Only there for the type checker. */
  readonly types?: StandardSchemaTypes<Input, Output> | undefined;
}

/** The types of a validator. */
export interface StandardSchemaTypes<Input, Output = Input> {
  /** What it accepts. */
  readonly input: Input;
  /** What it makes of that. */
  readonly output: Output;
}

/** How a validation ends: without `issues` where the value is valid. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] };

/** Something that is wrong with a value. */
export interface StandardSchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** The way to it: names of properties and indices, or objects that hold one as `key`. */
  readonly path?:
    | readonly (PropertyKey | { readonly key: PropertyKey })[]
    | undefined;
}
