// `npm run bench:profile`: where the time of some workloads goes, on Node, Bun and Deno, by each
// runtime's own profiler. Writes bench/results/profiles.md. Arguments name workloads.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { installBench, profilers } from "./bench_runtimes.js";
import { root, run } from "./process.js";

const program = join(root, "bench", "profile.ts");
const results = join(root, "bench", "results");
const workloads = ["bulk", "unawaited", "actors", "replay"];

/** What is told apart, by the function that was running: the first that fits. */
const areas = [
  { name: "waiting", fits: /^\(idle\)/ },
  { name: "garbage collection", fits: /^\(garbage collector\)/ },
  { name: "codec", fits: /\((@msgpack |core\/codec\/)|utf8|isWellFormed/ },
  { name: "schema", fits: /\(core\/schema\// },
  { name: "format", fits: /\(core\/format\// },
  { name: "read", fits: /\(core\/read\// },
  { name: "commit", fits: /\(core\/commit\// },
  { name: "stores", fits: /\(core\/stores\// },
  { name: "rest of core", fits: /\(core\// },
  { name: "adapter, lmdb", fits: /\((adapters|lmdb)\// },
  { name: "caller", fits: /\(bench\// },
  { name: "runtime", fits: /(?:)/ },
];
/** The most functions that are named. */
const MAX_FUNCTIONS = 8;

const introduction = `# Where the time goes

The main thread of each workload of ours, without peers, as each runtime's own profiler sees it:
shares of all samples, start-up included. Made by \`npm run bench:profile\`. Bun's profiler does not
tell waiting and garbage collection.
`;

try {
  await installBench();
  const chosen = process.argv.length > 2 ? process.argv.slice(2) : workloads;
  const sections = [];
  for (const workload of chosen) sections.push(await describe(workload));
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, "profiles.md"), `${introduction}\n${sections.join("\n")}`);
  console.error(`Written to ${join("bench", "results", "profiles.md")}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @param {string} workload */
async function describe(workload) {
  /** @type {{ runtime: string, times: Map<string, number> }[]} */
  const profiles = [];
  for (const [runtime, profiler] of Object.entries(profilers)) {
    console.error(`Profiling ${workload} on ${runtime}`);
    profiles.push({ runtime, times: await profile(await profiler(), workload) });
  }
  const rows = areas.map(({ name }) => {
    const cells = profiles.map(({ times }) => {
      const total = sum([...times.values()]);
      const own = sum([...times].filter(([key]) => areaOf(key) === name).map(([, time]) => time));
      return `${(100 * own / total).toFixed(0)} %`;
    });
    return `| ${[name, ...cells].join(" | ")} |`;
  });
  const head = ["", ...profiles.map(({ runtime }) => runtime)].join(" | ");
  const functions = profiles.map(({ runtime, times }) => {
    const total = sum([...times.values()]);
    const first = [...times].sort(([, a], [, b]) => b - a).slice(0, MAX_FUNCTIONS);
    const list = first.map(([key, time]) => `${key} ${(100 * time / total).toFixed(0)} %`);
    return `- ${runtime}: ${list.join(", ")}`;
  });
  const line = `| ${["-", ...profiles.map(() => "-")].join(" | ")} |`;
  return [`## ${workload}`, "", `| ${head} |`, line, ...rows, "", ...functions, ""].join("\n");
}

/**
 * Runs a workload under a profiler. Gives the time of each function by itself.
 *
 * @param {readonly string[]} command
 * @param {string} workload
 * @returns {Promise<Map<string, number>>}
 */
async function profile(command, workload) {
  const directory = mkdtempSync(join(tmpdir(), "persistence-profile-"));
  try {
    const line = command.map((part) => part.replace("DIRECTORY", directory));
    const { ok, end, output } = await run([...line, program, workload]);
    if (!ok) throw new Error(`The profile of ${workload} ${end}:\n${output}`);
    const file = readdirSync(directory).find((name) => name.endsWith(".cpuprofile"));
    if (!file) throw new Error(`${line[0]} has written no profile`);
    return timesOf(JSON.parse(readFileSync(join(directory, file), "utf8")));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * @typedef {object} Profile
 * @property {{ id: number, callFrame: { functionName: string, url: string } }[]} nodes
 * @property {number[]} samples
 * @property {number[]} timeDeltas
 */

/** @param {Profile} profile */
function timesOf({ nodes, samples, timeDeltas }) {
  const keys = new Map(nodes.map(({ id, callFrame }) => [id, keyOf(callFrame)]));
  /** @type {Map<string, number>} */
  const times = new Map();
  samples.forEach((id, index) => {
    const key = keys.get(id) ?? "?";
    times.set(key, (times.get(key) ?? 0) + (timeDeltas[index] ?? 0));
  });
  return times;
}

/** @param {{ functionName: string, url: string }} callFrame */
function keyOf({ functionName, url }) {
  const name = functionName === "" ? "anonymous" : functionName;
  const place = placeOf(url);
  return place === "" ? name : `${name} (${place})`;
}

/** The path of a file of ours, or the end of that of any other. @param {string} url */
function placeOf(url) {
  const inPackage = url.split("/node_modules/").at(-1) ?? "";
  const [, own] = url.split(`${root.replaceAll("\\", "/")}/`);
  if (inPackage === url && own !== undefined) return own;
  const file = inPackage.split("/").slice(-2).join("/");
  return inPackage.startsWith("@msgpack/") ? `@msgpack ${file}` : file;
}

/** @param {string} key */
function areaOf(key) {
  return areas.find(({ fits }) => fits.test(key))?.name;
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
