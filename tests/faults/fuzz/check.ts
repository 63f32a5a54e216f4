import process from "node:process";
import type { FuzzTarget } from "./targets.ts";

/** So many values, characters and bytes per byte of input are what there is; more was made up. */
const MAX_SIZE_PER_BYTE = 16;
const ORDINARY: ReadonlySet<unknown> = new Set([
  Object.prototype,
  Array.prototype,
  Date.prototype,
  RegExp.prototype,
  Map.prototype,
  Set.prototype,
  ArrayBuffer.prototype,
]);
const TYPED_ARRAY: unknown = Object.getPrototypeOf(Uint8Array.prototype);

/**
 * Decodes an input and looks at what comes of it.
 *
 * @param target What decodes.
 * @param bytes The input. It is overwritten afterwards.
 * @returns What is wrong, or `undefined`; and whether the input was refused.
 */
export async function tryInput(
  target: FuzzTarget,
  bytes: Uint8Array,
): Promise<{ problem: string | undefined; isRefused: boolean }> {
  try {
    const decoding = target.decode(bytes);
    const value = decoding instanceof Promise ? await decoding : decoding;
    return { problem: pollution() ?? problemOf(value, bytes), isRefused: false };
  } catch (error) {
    const problem = target.isRefusal(error) ? undefined : `it threw ${nameOf(error)}`;
    return { problem: pollution() ?? problem, isRefused: true };
  }
}

/** The most memory that this process has ever had, in bytes. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1_024;
}

/** What all objects have, they must not have got from a message. */
function pollution(): string | undefined {
  for (const name in {}) {
    Reflect.deleteProperty(Object.prototype, name);
    return `all objects got a property ${name}`;
  }
  return undefined;
}

function problemOf(value: unknown, bytes: Uint8Array): string | undefined {
  const look = new Look(bytes);
  look.over(value);
  if (look.problem !== undefined) return look.problem;
  const most = MAX_SIZE_PER_BYTE * (bytes.length + 1);
  return look.size > most ? `${bytes.length} bytes became ${look.size} values` : undefined;
}

/** Walks over a decoded value. */
class Look {
  /** How many values, characters and bytes there are. */
  size = 0;
  problem: string | undefined;
  readonly #bytes: Uint8Array;
  /** What has not been looked at yet. Not recursive: JSON may be deeper than the stack. */
  #rest: unknown[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  over(value: unknown): void {
    this.#rest = [value];
    while (this.#rest.length > 0) this.#at(this.#rest.pop());
  }

  #at(value: unknown): void {
    this.size++;
    if (typeof value === "string") this.size += value.length;
    if (typeof value !== "object" || value === null) return;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (ArrayBuffer.isView(value)) return this.#atView(value, prototype);
    if (!ORDINARY.has(prototype)) this.problem = "an object has another prototype";
    if (value instanceof ArrayBuffer) this.#atBuffer(value);
    else if (value instanceof Map) this.#atAll([...value].flat());
    else if (value instanceof Set || Array.isArray(value)) this.#atAll([...value]);
    else this.#atProperties(value);
  }

  #atProperties(value: object): void {
    if (Object.hasOwn(value, "__proto__")) this.problem = "an object has a property __proto__";
    this.#atAll(Object.keys(value));
    this.#atAll(Object.values(value));
  }

  #atAll(values: readonly unknown[]): void {
    for (const value of values) this.#rest.push(value);
  }

  #atView(view: ArrayBufferView, prototype: unknown): void {
    if (Object.getPrototypeOf(prototype) !== TYPED_ARRAY) {
      this.problem = "a view is no typed array";
    }
    if (view.buffer instanceof ArrayBuffer) this.#atBuffer(view.buffer);
  }

  #atBuffer(buffer: ArrayBuffer): void {
    this.size += buffer.byteLength;
    if (buffer === this.#bytes.buffer) this.problem = "a value shares memory with the input";
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : String(error);
}
