// Checks of the doc comments of what is exported, and of the reference that is made of them. Run by
// scripts/checks/source.js.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { missingInComments } from "../doc_comments.js";
import { denoDoc, writeReference } from "../docs.js";
import { root } from "../process.js";
import { deno } from "../runtimes.js";

const skip = (await deno()).unavailable ?? false;

test("the doc comments of what is exported are complete", { skip }, async () => {
  assert.deepEqual(await missingInComments(), []);
});

test("deno doc --lint finds nothing", { skip }, async () => {
  const { ok, output } = await denoDoc(["--lint"]);
  assert.ok(ok || lintFindings(output).length === 0, output);
});

test("what deno doc --lint finds is not overlooked", () => {
  const file = "adapters/otel/otel_telemetry.ts";
  /** @param {string} type */
  const finding = (type) =>
    `error[private-type-ref]: public type 'A["b"]' references private type '${type}'\n` +
    `  --> ${join(root, file)}:25:3\n`;
  const missing = "error[missing-jsdoc]: exported symbol is missing JSDoc\n --> mod.ts:1:2\n";
  const output = finding("MeterProvider") + finding("Instruments") + missing;
  assert.deepEqual(lintFindings(output), [finding("Instruments"), missing]);
});

test("what is missing in doc comments is found", { skip }, async () => {
  const file = "scripts/checks/fixtures/doc_comments.ts";
  const missing = await missingInComments([file]);
  assert.deepEqual(missing.map((text) => text.slice(file.length + 1).trim()), [
    "the module has no doc comment",
    "102: Store.get: no @param key",
    "102: Store.get: no @returns",
    "102: Store.get: no doc comment",
    "21: ReadOptions.from: no @default, which is written as `@default {100}`",
    "23: ReadOptions.to: no @default, which is written as `@default {100}`",
    "25: ReadOptions.onEnd: no @default, which is written as `@default {100}`",
    "26: ReadOptions.actorId: no doc comment",
    "28: ReadOptions.accept: no @param item",
    "28: ReadOptions.accept: no @returns",
    "43: read: @param limit, which is not a parameter",
    "43: read: @throws OPEN, which is not a code",
    "43: read: @throws without a code: if it is not there.",
    "43: read: no @example with code",
    "43: read: no @param others",
    "43: read: no @param to",
    "43: read: no @returns",
    "59: write: @unheard of, which is not understood",
    "81: Store: no @example with code",
    "84: Store.label: no doc comment",
    "87: Store.constructor: no @param size",
    "87: Store.constructor: no doc comment",
    "9: ReadOptions: a link to PersistenceError, which is not exported",
  ]);
});

test(
  "the links of the API reference lead to its pages, or to the repository",
  { skip },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "persistence-reference-"));
    try {
      await writeReference(directory);
      const pages = readdirSync(directory, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".html"))
        .map((file) => join(directory, file));
      assert.ok(pages.length > 0);
      assert.deepEqual(pages.flatMap(deadLinks), []);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);

/**
 * What `deno doc --lint` has found. To it a type of a package is private, though users have it from
 * that package.
 *
 * @param {string} output
 * @returns {string[]}
 */
function lintFindings(output) {
  return output.split(/^(?=error\[)/m).filter((part) => part.startsWith("error[")).filter(
    (finding) => {
      const type = /references private type '(\w+)'/.exec(finding)?.[1];
      const file = /--> (.+?):\d+:\d+/.exec(finding)?.[1];
      if (type === undefined || file === undefined) return true;
      const imports = readFileSync(file, "utf8").matchAll(/^import ([^;]*?) from "([^."][^"]*)"/gm);
      return !Array.from(imports).some(([, names = ""]) => new RegExp(`\\b${type}\\b`).test(names));
    },
  );
}

/** @param {string} page @returns {string[]} */
function deadLinks(page) {
  const text = readFileSync(page, "utf8").replaceAll("&#x2F;", "/");
  const links = Array.from(
    text.matchAll(/\s(?:href|src)="([^"#]+)/g),
    ([, link = ""]) => decodeURIComponent(link),
  );
  return [...new Set(links)]
    .filter((link) => !/^https?:/.test(link) && !existsSync(join(dirname(page), link)))
    .map((link) => `${page}: ${link}`);
}
