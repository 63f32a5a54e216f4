/** How a test is registered, whatever runner registers it. */
export interface TestFunction {
  /** Registers a test. */
  (name: string, run: () => Promise<void> | void): void;
  /** Registers a test that is not run, and is counted as skipped. */
  skip(name: string, run: () => Promise<void> | void): void;
}

/** What Deno's own runner offers. */
interface DenoTestFunction {
  (name: string, run: () => Promise<void> | void): void;
  ignore(name: string, run: () => Promise<void> | void): void;
}

/** Registers a test with the runner of the runtime that runs the file: Node, Bun or Deno. */
export const test: TestFunction = "Deno" in globalThis
  ? await loadBdd() ?? adaptDenoTest()
  : (await import("node:test")).test;

/**
 * `it` of `@std/testing`, where it is in Deno's cache. The tasks run Deno with `--cached-only`, so
 * that a missing one is noticed at once and without the network. The specifier is computed, so that
 * neither type checking nor publishing tries to resolve it.
 */
async function loadBdd(): Promise<TestFunction | undefined> {
  const specifier = ["jsr:@std/testing@1", "bdd"].join("/");
  try {
    const bdd: { it: TestFunction } = await import(specifier);
    return bdd.it;
  } catch {
    return undefined;
  }
}

/**
 * What `it` of `@std/testing` registers with too. Not `node:test`: on Deno a test of that module
 * passes although it has left a rejected promise behind.
 */
function adaptDenoTest(): TestFunction {
  const { Deno } = globalThis as unknown as { Deno: { test: DenoTestFunction } };
  return Object.assign(Deno.test.bind(Deno), { skip: Deno.test.ignore });
}
