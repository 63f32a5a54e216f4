import type { AsyncHook } from "node:async_hooks";
import process from "node:process";

/** How a test is registered, whatever runner registers it. */
export interface TestFunction {
  /** Registers a test. */
  (name: string, run: () => Promise<void> | void): void;
  /** Registers a test that is not run, and is counted as skipped. */
  skip(name: string, run: () => Promise<void> | void): void;
}

/** Registers a test with the runner of the runtime that runs the file: Node, Bun or Deno. */
export const test: TestFunction = await loadTest();

async function loadTest(): Promise<TestFunction> {
  if ("Deno" in globalThis) return await loadBdd() ?? adaptDenoTest();
  if ("Bun" in globalThis) return (await import("node:test")).test;
  return nameCulprits(await loadNodeTest());
}

/**
 * `node:test` without its hook into every promise, which took a third of the time of all tests on
 * Node. The hook finds out which test has left an error that nobody handles. Without it the whole
 * file fails.
 */
async function loadNodeTest(): Promise<TestFunction> {
  const { default: hooks } = await import("node:async_hooks");
  const { createHook } = hooks;
  const idle: AsyncHook = { enable: () => idle, disable: () => idle };
  // `node:test` takes the function that it finds when it is loaded.
  hooks.createHook = () => idle;
  try {
    return (await import("node:test")).test;
  } finally {
    hooks.createHook = createHook;
  }
}

/** Says which test was running when there was an error that nobody handles. */
function nameCulprits(test: TestFunction): TestFunction {
  let running = "no test";
  const tell = (error: unknown) => console.error(`Nobody handles (during "${running}"):`, error);
  process.on("unhandledRejection", tell);
  process.on("uncaughtException", tell);
  const register = (name: string, run: () => Promise<void> | void) =>
    test(name, () => {
      running = name;
      return run();
    });
  return Object.assign(register, { skip: test.skip });
}

/**
 * `it` of `@std/testing`, if it is in Deno's cache. The tasks run Deno with `--cached-only`, so
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
  return Object.assign(Deno.test.bind(Deno), { skip: Deno.test.ignore });
}
