/**
 * Standard Schema, the interface that validation libraries share. These are our own types for the
 * part of it that is used here, so that no package is needed.
 *
 * Source: {@link https://standardschema.dev | the specification}, version 1.
 *
 * @module
 */

/**
 * A validator of any library that implements {@link https://standardschema.dev | Standard Schema},
 * such as zod, valibot and arktype.
 *
 * @typeParam Input The type of the values that it accepts.
 * @typeParam Output The type of the values that it returns.
 *
 * @example A hand-written validator
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
  /** The properties that Standard Schema defines. */
  readonly "~standard": StandardSchemaProps<Input, Output>;
}

/**
 * The properties of a validator that Standard Schema defines.
 *
 * @typeParam Input The type of the values that it accepts.
 * @typeParam Output The type of the values that it returns.
 */
export interface StandardSchemaProps<Input, Output = Input> {
  /** The version of Standard Schema. */
  readonly version: 1;
  /** The name of the library that the validator comes from. */
  readonly vendor: string;
  /**
   * Validates a value.
   *
   * @param value The value.
   * @returns The validated value, or the issues.
   */
  readonly validate: (
    value: unknown,
  ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
  /** The types of the validator. Only the type checker uses this property. */
  readonly types?: StandardSchemaTypes<Input, Output> | undefined;
}

/**
 * The types of a validator.
 *
 * @typeParam Input The type of the values that it accepts.
 * @typeParam Output The type of the values that it returns.
 */
export interface StandardSchemaTypes<Input, Output = Input> {
  /** The type of the values that it accepts. */
  readonly input: Input;
  /** The type of the values that it returns. */
  readonly output: Output;
}

/**
 * The result of a validation: without `issues` if the value is valid.
 *
 * @typeParam Output The type of the validated value.
 */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] };

/** A reason why a value is invalid. */
export interface StandardSchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** The path to it: property names and indices, or objects with one of these as `key`. */
  readonly path?:
    | readonly (PropertyKey | { readonly key: PropertyKey })[]
    | undefined;
}
