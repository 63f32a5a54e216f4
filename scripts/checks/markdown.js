import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../process.js";

/** What is made or installed, and no part of the checkout. */
const ignored = new Set(["node_modules", "dist", "dist-docs"]);

/**
 * The Markdown files of the checkout, with "/" on every platform.
 *
 * @param {string} [directory] relative to the checkout
 * @returns {string[]}
 */
export function markdownFiles(directory = "") {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
    if (!entry.isDirectory()) return path.endsWith(".md") ? [path] : [];
    return ignored.has(entry.name) || entry.name.startsWith(".") ? [] : markdownFiles(path);
  });
}

/**
 * The targets of a document's links and images, in Markdown and in HTML.
 *
 * @param {string} text
 * @returns {{ target: string, line: number }[]}
 */
export function linksOf(text) {
  const pattern = /\]\(\s*<?([^\s)>]+)|^\[[^\]]+\]:\s*(\S+)|\s(?:href|src|srcset)="([^"\s]+)/g;
  return withoutFences(text).flatMap((line, index) =>
    Array.from(withoutCode(line).matchAll(pattern), (match) => ({
      target: match[1] ?? match[2] ?? match[3] ?? "",
      line: index + 1,
    }))
  );
}

/**
 * The paths that a document names as code outside of links, such as `core/actor.ts`.
 *
 * @param {string} text
 * @returns {{ path: string, line: number }[]}
 */
export function pathsOf(text) {
  return withoutFences(text).flatMap((line, index) => {
    const withoutLinks = line.replaceAll(/\[(?:[^\]`]|`[^`]*`)*\]\([^)]*\)/g, "");
    return Array.from(withoutLinks.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g), (match) => ({
      path: match[1] ?? "",
      line: index + 1,
    }));
  });
}

/**
 * The anchors that GitHub gives to the headings of a document.
 *
 * @param {string} text
 * @returns {Set<string>}
 */
export function anchorsOf(text) {
  /** @type {Set<string>} */
  const anchors = new Set();
  for (const line of withoutFences(text)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const name = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${name}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The lines of a document, of which those in fenced code are empty. @param {string} text */
function withoutFences(text) {
  let fence = "";
  return text.split(/\r?\n/).map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === "") {
      fence = mark ?? "";
      return mark === undefined ? line : "";
    }
    if (mark?.startsWith(fence)) fence = "";
    return "";
  });
}

/** @param {string} line */
function withoutCode(line) {
  return line.replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "");
}
