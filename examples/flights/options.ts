// The command line of the demo.
import { parseArgs } from "node:util";

/** What the demo says about its command line. */
export const USAGE: string = `Usage: npm run demo -- [--runtime node|bun|deno|all] [--data DIR]

  --runtime  the runtime that runs it; default: node
  --data     keeps the database in DIR and goes on with what is there; default: a temporary one
  --help     prints this`;

/** The options of the demo. */
export interface DemoOptions {
  readonly data?: string;
  readonly help?: boolean;
}

/** Reads the command line. If it is wrong, prints why, and returns `undefined`. */
export function parseOptions(args: string[]): DemoOptions | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: { data: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (values.data !== "") return values;
    console.error(`--data takes a directory\n\n${USAGE}`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
  return undefined;
}
