import assert from "node:assert/strict";
import fc from "fast-check";
import { MsgpackrCodec } from "../adapters/msgpackr.ts";
import { MessagePackCodec } from "../core/codec/msgpack_codec.ts";
import { assertSameValue } from "./conformance/same_value.ts";
import { refusedValues, richValues } from "./conformance/values.ts";
import { test } from "./harness.ts";
import { inputs } from "./repetitions.ts";
import { anyRichValue, assertSurvivesDamage, refusalOf, transfer } from "./codec_checks.ts";

const codec = new MsgpackrCodec();
const defaultCodec = new MessagePackCodec();

function assertCompatible(value: unknown): void {
  assertSameValue(transfer(codec, codec, value), value, "the value");
  assertSameValue(transfer(codec, defaultCodec, value), value, "the value");
  assertSameValue(transfer(defaultCodec, codec, value), value, "the value");
}

/** Once with what `msgpackr` has in JavaScript, once with the native addon that `lmdb` loads. */
describeCodec("in JavaScript");
test("MsgpackrCodec: the native addon is loaded", async () => {
  await import("msgpackr");
});
describeCodec("with the native addon");

function describeCodec(mode: string): void {
  for (const [name, value] of richValues) {
    test(`MsgpackrCodec ${mode}: ${name} comes back, through the default codec, too`, () => {
      assertCompatible(value);
    });
  }

  test(`MsgpackrCodec ${mode}: any value comes back, through the default codec, too`, () => {
    fc.assert(fc.property(anyRichValue, assertCompatible), { numRuns: inputs.values });
  });

  test(`MsgpackrCodec ${mode}: any plain value comes back, through the default codec, too`, () => {
    const anyPlain = fc.json({ maxDepth: 5, stringUnit: "binary" })
      .map((text): unknown => JSON.parse(text))
      .filter((value) => !JSON.stringify(value).includes('"__proto__":'));
    fc.assert(fc.property(anyPlain, assertCompatible), { numRuns: inputs.values });
  });

  test(`MsgpackrCodec ${mode}: damaged bytes give an error or a value, and nothing else`, () => {
    assertSurvivesDamage(codec, inputs.damaged);
    assertCompatible({ next: "one" });
  });
}

for (const [name, value] of refusedValues) {
  test(`MsgpackrCodec: ${name} is refused like by the default codec`, () => {
    assert.equal(refusalOf(codec, value).message, refusalOf(defaultCodec, value).message);
    assertCompatible({ next: "one" });
  });
}

test("MsgpackrCodec: the error of a getter is the cause, also if it throws the second time", () => {
  const cause = new Error("no value");
  let calls = 0;
  const value = {
    get broken(): number {
      if (++calls > 1) throw cause;
      return 1;
    },
  };
  assert.equal(refusalOf(codec, value).cause, cause);
});

test("MsgpackrCodec: a getter may encode something itself", () => {
  const inner: Uint8Array[] = [];
  const other = new MsgpackrCodec();
  const value = {
    before: "before",
    get nested(): string {
      for (const one of [codec, other]) inner.push(one.encode({ text: "y".repeat(9_000) }).slice());
      return "nested";
    },
    after: [1, 2, 3],
  };
  assert.deepStrictEqual(transfer(codec, codec, value), {
    before: "before",
    nested: "nested",
    after: [1, 2, 3],
  });
  assert.ok(inner.length > 0);
  for (const bytes of inner) {
    assert.deepStrictEqual(codec.decode(bytes), { text: "y".repeat(9_000) });
  }
});

test("MsgpackrCodec: forged bytes are an error, and the next ones are decoded", () => {
  const forged = ["", "c1", "0101", "c40101", "ddffffffff01", "dfffffffffa16101", "dbffffffff61"];
  const pollution = "81a95f5f70726f746f5f5f80";
  for (
    const hex of [...forged, pollution, `91${pollution}`, "d47300" + "9101", "d47240" + "9001"]
  ) {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
    assert.throws(() => codec.decode(bytes), Error, hex);
    assert.deepStrictEqual(codec.decode(Uint8Array.of(0x81, 0xa1, 0x61, 0x01)), { a: 1 });
  }
});

test("MsgpackrCodec: a text that is cut within a character does not lead it to bytes of another kind", () => {
  // It would take the byte after the text for the rest of the character, and then the float64 for
  // an array of 67 million, or for an object.
  const array = "92" + "a1df" + "cb" + "dd04000000" + "000000";
  const object = "92" + "a1df" + "cb" + "81a16101" + "c0c0c0c0";
  for (const hex of [array, object]) {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
    assert.throws(() => codec.decode(bytes), { message: /ends within a character/ });
  }
});

test("MsgpackrCodec: decoding leaves nothing on the caller's bytes", () => {
  const bytes = codec.encode({ a: 1 }).slice();
  codec.decode(bytes);
  assert.deepEqual(Reflect.ownKeys(bytes), Reflect.ownKeys(new Uint8Array(bytes.length)));
});

test("MsgpackrCodec: extensions that the application registers with msgpackr do not get in", async () => {
  const { addExtension } = await import("msgpackr");
  addExtension({ type: 5, unpack: () => "the application's" });
  assertCompatible({ at: new Date(1) });
});
