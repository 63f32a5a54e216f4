// Snippets that import it are compiled as if they imported `node:test`.
export { test } from "node:test";

export function takeTests(): { name: string; run: () => Promise<void> | void }[];
