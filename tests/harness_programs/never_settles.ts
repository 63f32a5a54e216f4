import { test } from "../harness.ts";

test("one that never settles", () => new Promise(() => {}));
