/**
 * Values in the messages of failed tests.
 *
 * @module
 */

import { builtInOf, isError } from "../core/util/built_ins.ts";
import { isPlainObject } from "../core/util/plain_object.ts";

/** What fits on a line. */
const LINE_LENGTH = 80;
/** How many values are shown in all: more would not be read. */
const MAX_VALUES = 200;
const MAX_TEXT_LENGTH = 1_000;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * Describes a value nearly as it is written in code.
 *
 * @param value The value.
 * @returns One line if it is short; otherwise a line for each part.
 */
export function describeValue(value: unknown): string {
  return new Description().of(value);
}

class Description {
  #left = MAX_VALUES;
  readonly #open = new Set<object>();

  of(value: unknown): string {
    if (--this.#left < 0) return "…";
    if (typeof value === "string") return describeText(value);
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "function") return value.name ? `function ${value.name}` : "a function";
    if (Object.is(value, -0)) return "-0";
    if (typeof value !== "object" || value === null) return String(value);
    if (this.#open.has(value)) return "[circular]";
    this.#open.add(value);
    try {
      return this.#ofObject(value);
    } finally {
      this.#open.delete(value);
    }
  }

  #ofObject(value: object): string {
    if (isError(value)) return `${value.name}: ${value.message}`;
    if (Array.isArray(value)) return this.#list("[", value, "]", (item) => this.of(item));
    const name = classOf(value);
    if (ArrayBuffer.isView(value)) {
      const { buffer, byteOffset, byteLength } = value;
      const items = isIterable(value) ? value : new Uint8Array(buffer, byteOffset, byteLength);
      return this.#list(`${name} [`, [...items], "]", (item) => this.of(item));
    }
    switch (builtInOf(value)) {
      case "Date": {
        const date = value as Date;
        return Number.isNaN(date.getTime()) ? "Date(invalid)" : `Date(${date.toISOString()})`;
      }
      case "RegExp":
        return String(value);
      case "Map":
        return this.#list(`${name} {`, [...value as Map<unknown, unknown>], "}", ([key, item]) => {
          return `${this.of(key)} => ${this.of(item)}`;
        });
      case "Set":
        return this.#list(`${name} {`, [...value as Set<unknown>], "}", (item) => this.of(item));
      case "ArrayBuffer": {
        const items = new Uint8Array(value as ArrayBuffer);
        return this.#list(`${name} [`, [...items], "]", (item) => this.of(item));
      }
    }
    const open = name === "" ? "{" : `${name} {`;
    return this.#list(open, Object.entries(value), "}", ([key, item]) => {
      return `${IDENTIFIER.test(key) ? key : JSON.stringify(key)}: ${this.of(item)}`;
    });
  }

  #list<Item>(
    open: string,
    items: readonly Item[],
    close: string,
    describe: (item: Item) => string,
  ): string {
    if (items.length === 0) return open + close;
    const parts: string[] = [];
    for (const item of items) {
      if (this.#left <= 0) {
        parts.push(`… ${items.length - parts.length} more`);
        break;
      }
      parts.push(describe(item));
    }
    const line = parts.join(", ");
    const inner = open.endsWith("[") ? line : ` ${line} `;
    if (!line.includes("\n") && open.length + inner.length < LINE_LENGTH) {
      return open + inner + close;
    }
    return `${open}\n${parts.map((part) => `${indent(part)},\n`).join("")}${close}`;
  }
}

/**
 * Moves a text to the right.
 *
 * @param text The text.
 * @returns The text, each line two columns further to the right.
 */
export function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}

function describeText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, MAX_TEXT_LENGTH))}… (${text.length} characters)`;
}

function classOf(value: object): string {
  if (isPlainObject(value)) return "";
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "(anonymous class)";
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value;
}
