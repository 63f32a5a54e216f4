// Checks of the documents: their links. Run by scripts/checks/source.js.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../process.js";
import { branch, repository } from "../repository.js";
import { brokenLinks } from "./links.js";
import { markdownFiles } from "./markdown.js";

test("homepage and bugs are those of the repository", () => {
  const manifest = JSON.parse(readText("package.json"));
  assert.match(manifest.repository.url, /^git\+https:\/\/.*\.git$/);
  assert.equal(manifest.homepage, `${repository}#readme`);
  assert.deepEqual(manifest.bugs, { url: `${repository}/issues` });
});

test("every link in the documents leads to a file, and to a heading that it has", () => {
  assert.deepEqual(markdownFiles().flatMap((file) => brokenLinks(file, readText(file))), []);
});

test("a broken link is found, and a link that works is not", () => {
  const raw = `https://raw.githubusercontent.com${new URL(repository).pathname}/${branch}`;
  assert.deepEqual(
    brokenLinks(
      "docs/example.md",
      [
        '[file](../README.md) [heading](../CONTRIBUTING.md#style) [own](#a-b) <a href="#a-b">',
        `[absolute](${repository}/blob/${branch}/scripts/build.js) ![](${raw}/README.md)`,
        `[home](${repository}) [elsewhere](https://semver.org) \`[code](nowhere.md)\``,
        "# A, `b`!",
        "[file](none.md) [heading](../CONTRIBUTING.md#no-such) [own](#c)",
        `[absolute](${repository}/blob/${branch}/none.js) ![](${raw}/none.svg)`,
        `[branch](${repository}/blob/trunk/README.md) [other](https://github.com/someone/else)`,
        "[outside](../../elsewhere.md)",
        '<source srcset="none.svg">',
        "```md",
        "[fenced](nowhere.md)",
        "```",
      ].join("\n"),
    ).map((problem) => problem.slice(0, problem.indexOf(": "))),
    [5, 5, 5, 6, 6, 7, 7, 8, 9].map((line) => `docs/example.md:${line}`),
  );
});

/** @param {string} file */
function readText(file) {
  return readFileSync(join(root, file), "utf8");
}
