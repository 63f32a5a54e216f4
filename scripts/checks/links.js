import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { root } from "../process.js";
import { branch, repository } from "../repository.js";
import { anchorsOf, linksOf, pathsOf } from "./markdown.js";

const ownerAndName = new URL(repository).pathname;

/**
 * What is wrong with the links of a document.
 *
 * @param {string} file
 * @param {string} text
 * @returns {string[]}
 */
export function brokenLinks(file, text) {
  return linksOf(text).flatMap(({ target, line }) => {
    const problem = isAbsolute(target) ? checkAbsolute(target) : checkRelative(file, text, target);
    return problem === undefined ? [] : [`${file}:${line}: ${target} ${problem}`];
  });
}

/** @param {string} target */
function checkAbsolute(target) {
  const { hostname, pathname } = new URL(target);
  if (!/^(github\.com|raw\.githubusercontent\.com)$/.test(hostname)) return;
  if (!`${pathname}/`.startsWith(`${ownerAndName}/`)) return "is not in this repository";
  const [kind, ...rest] = pathname.slice(ownerAndName.length + 1).split("/");
  const isRaw = hostname.startsWith("raw.");
  if (!isRaw && kind !== "blob" && kind !== "tree" && kind !== "raw") return;
  const [ref, ...path] = isRaw ? [kind, ...rest] : rest;
  if (ref !== branch) return `is not on the branch ${branch}`;
  if (!isInCheckout(path.join("/"))) return "is not in the checkout";
}

/** @param {string} file @param {string} text @param {string} target */
function checkRelative(file, text, target) {
  const [path = "", anchor] = target.split("#");
  const linked = posix.join(posix.dirname(file), path);
  if (path !== "" && !isInCheckout(linked)) return "is not in the checkout";
  if (anchor === undefined) return;
  const anchors = anchorsOf(path === "" ? text : readText(linked));
  if (!anchors.has(anchor)) return "names a heading that is not there";
}

/**
 * What a document of the package links to relatively, or names as code, although it is not in the
 * package: npm shows the document, but not that file.
 *
 * @param {string} file
 * @param {readonly string[]} shipped
 * @returns {string[]}
 */
export function missingFromPackage(file, shipped) {
  const isShipped = (/** @type {string} */ path) =>
    shipped.some((name) => name === path || name.startsWith(path.replace(/\/?$/, "/")));
  const text = readText(file);
  const linked = linksOf(text)
    .filter(({ target }) => !isAbsolute(target) && !target.startsWith("#"))
    .map(({ target, line }) => {
      const path = posix.join(posix.dirname(file), target.replace(/#.*/, ""));
      return { path, line };
    });
  const named = file === "README.md" ? pathsOf(text).filter(({ path }) => isInCheckout(path)) : [];
  return [...linked, ...named]
    .filter(({ path }) => !isShipped(path))
    .map(({ path, line }) => `${file}:${line}: ${path} is not in the package`);
}

/** @param {string} target */
function isAbsolute(target) {
  return /^[a-z][a-z+.-]*:/i.test(target);
}

/** @param {string} path */
function isInCheckout(path) {
  return !path.startsWith("..") && existsSync(join(root, path));
}

/** @param {string} file */
function readText(file) {
  return readFileSync(join(root, file), "utf8");
}
