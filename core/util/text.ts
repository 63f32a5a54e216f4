/**
 * Well-formed text: what UTF-8 can represent.
 *
 * @module
 */

/** Every supported runtime has this method; the types of ES2023 do not. */
type Es2024String = string & { isWellFormed(): boolean };

/**
 * Whether UTF-8 can represent a text.
 *
 * @param text The text.
 * @returns False if the text has a lone surrogate.
 */
export function isWellFormed(text: string): boolean {
  return (text as Es2024String).isWellFormed();
}

/**
 * What an error says, whatever was thrown.
 *
 * @param error What was thrown.
 * @returns Its message, or the text that it converts to.
 */
export function messageOf(error: unknown): string {
  try {
    // An error of another realm is no instance of our class.
    const isError = typeof error === "object" && error !== null && "message" in error &&
      typeof error.message === "string";
    return isError ? String(error.message) : String(error);
  } catch {
    // An object without a prototype, for example.
    return "what was thrown cannot be converted to a text";
  }
}
