// `npm run docs`: writes the API reference to dist-docs/, from the doc comments of all that is
// exported. It needs no network. Fails if `deno doc --lint` finds something.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { branch, repository } from "./repository.js";
import { root, run } from "./process.js";
import { deno } from "./runtimes.js";
import { ensureInstalled } from "./setup.js";

const { name, exports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));

/** @type {string[]} */
const entryPoints = Object.values(exports);

/**
 * Runs `deno doc`.
 *
 * @param {readonly string[]} options
 * @param {readonly string[]} [files] the entry points, if not those of the package
 */
export async function denoDoc(options, files = entryPoints) {
  const { executable, unavailable } = await deno();
  if (unavailable !== undefined) throw new Error(unavailable);
  return await run([executable, "doc", "--quiet", ...options, ...files]);
}

/**
 * Writes the reference anew.
 *
 * @param {string} directory
 */
export async function writeReference(directory) {
  rmSync(directory, { recursive: true, force: true });
  const { ok, end, output } = await denoDoc(["--html", `--name=${name}`, `--output=${directory}`]);
  if (!ok) throw new Error(`deno doc ${end}:\n${output}`);
  for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".html")) mendLinks(directory, join(directory, file));
  }
}

/**
 * Leads to the repository, not to the files of this machine, and from a name that we export to its
 * own page: in a module that does not export it `deno doc` takes it for a global one, such as
 * `Storage`.
 *
 * @param {string} directory
 * @param {string} page
 */
function mendLinks(directory, page) {
  const sources = escapeHtml(pathToFileURL(root).href);
  const text = readFileSync(page, "utf8")
    .replaceAll(`"${sources}`, `"${escapeHtml(`${repository}/blob/${branch}`)}`)
    .replaceAll(/https:\/\/deno\.land\/api@[^?"]+\?s=(\w+)/g, (link, symbol) => {
      const own = join(directory, "~", `${symbol}.html`);
      return existsSync(own) ? relative(join(page, ".."), own).replaceAll(sep, "/") : link;
    });
  writeFileSync(page, text);
}

/** As `deno doc` does in attributes. @param {string} text */
function escapeHtml(text) {
  return text.replaceAll("/", "&#x2F;");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await ensureInstalled();
    await writeReference(join(root, "dist-docs"));
    console.log("The reference begins at dist-docs/index.html");
    const { ok, output } = await denoDoc(["--lint"]);
    if (!ok) throw new Error(output);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
