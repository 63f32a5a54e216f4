import { inspect } from "node:util";

/** @import { TestEvent } from "node:test/reporters" */

/**
 * A reporter for `node --test` that reports failures only, and passes on what the tests write.
 *
 * @param {AsyncIterable<TestEvent>} events
 */
export default async function* reportFailures(events) {
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message;
    if (type === "test:fail") {
      const { error } = data.details;
      yield `FAILED: ${data.name} (${data.file})\n${inspect(error.cause ?? error)}\n\n`;
    }
  }
}
