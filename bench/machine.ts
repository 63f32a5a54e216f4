// What is measured on.
import { mkdir, readFile } from "node:fs/promises";
import { cpus, release, totalmem, type } from "node:os";
import { sep } from "node:path";

/** A machine and the file system that is written to. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly fileSystem: string;
}

/** Describes the machine, with the file system of a directory, which is created if it is missing. */
export async function describeMachine(directory: string): Promise<Machine> {
  await mkdir(directory, { recursive: true });
  return {
    cpu: cpus()[0]?.model ?? "an unknown processor",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    fileSystem: await fileSystemOf(directory),
  };
}

/** The type of the file system, from the mount that the directory is below. Linux says so. */
async function fileSystemOf(directory: string): Promise<string> {
  let mounts: string;
  try {
    mounts = await readFile("/proc/self/mounts", "utf8");
  } catch {
    return "a file system of unknown type";
  }
  const candidates = mounts.split("\n")
    .map((line) => line.split(" "))
    .map(([, point = "", kind = ""]) => ({ point, kind }))
    .filter(({ point }) => directory.startsWith(point.endsWith(sep) ? point : `${point}${sep}`));
  const nearest = candidates.toSorted((a, b) => b.point.length - a.point.length)[0];
  return nearest?.kind ?? "a file system of unknown type";
}
