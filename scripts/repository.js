import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./process.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Where the repository is on the web, such as https://github.com/owner/name: package.json says it. */
export const repository = /** @type {string} */ (manifest.repository.url).replace(
  /^git\+|\.git$/g,
  "",
);

/** The branch that links into the repository name. */
export const branch = "main";
