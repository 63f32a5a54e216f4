import assert from "node:assert/strict";
import type { StatefulActor } from "../../../core/actors/stateful_actor.ts";
import { eventSourced } from "../../../core/actors/behavior.ts";
import type { PersistenceProvider } from "../../../core/provider.ts";
import { recover } from "../../../core/actors/recovery.ts";
import type { Schema } from "../../../core/ports/schema.ts";
import {
  Deliveries,
  KIND,
  Problems,
  quickDelivery,
  startOn,
  withActors,
} from "../actors/fixture.ts";
import { assertFails, casesOf, outcomesOf } from "../fixture.ts";
import { storedAs, textSchema, validatorOf, withChange } from "./fixture.ts";
import type { ConformanceOptions } from "../types.ts";

type Texts = readonly string[];

/** What is told to an actor: texts that become events, and effects that are decided with them. */
interface Command {
  readonly texts?: Texts;
  readonly effects?: Texts;
}

const notes = eventSourced<Texts, Command, string, Texts, string>({
  initialState: [],
  handle: (_state, { texts = [], effects = [] }) => ({
    events: texts,
    effects,
    reply: (state) => state,
  }),
  apply: (state, text) => [...state, text],
});

/** The schema of states in some version, whose upcasters append the version that they lead to. */
function textsSchema(version: number): Schema<Texts> {
  const upcasters: Record<number, (texts: Texts) => Texts> = {};
  for (let from = 1; from < version; from++) {
    upcasters[from] = (texts) => [...texts, `v${from + 1}`];
  }
  return { name: "texts", version, upcasters };
}

interface Overrides {
  readonly event?: Schema<string>;
  readonly state?: Schema<Texts>;
  readonly deliver?: Deliveries["deliver"];
  readonly problems?: Problems;
}

function start(
  provider: PersistenceProvider,
  { event = textSchema(1), state = textsSchema(1), deliver = () => {}, problems }: Overrides,
): StatefulActor<Texts, Command, Texts> {
  return startOn(provider, notes, {
    messageSchema: event,
    stateSchema: state,
    outbox: { deliver, ...quickDelivery },
    onProblem: (problems ?? new Problems()).onProblem,
  });
}

/** Registers the cases about actors whose events and states have schemas. */
export function describeSchemaActors(options: ConformanceOptions): void {
  const check = casesOf(options, "actor schema", withActors);

  check("an actor is recovered from events and a state of older versions", async (provider) => {
    await using old = start(provider, {});
    await old.ask({ texts: ["x", "y"] });
    await old.snapshot();
    await old.ask({ texts: ["z"] });
    await old.stop();

    await using actor = start(provider, { event: textSchema(3), state: textsSchema(2) });
    assert.deepEqual(await actor.ask({}), ["x", "y", "v2", "z → 2 → 3"]);
    await actor.ask({ texts: ["new"] });
    await actor.stop();
    await using again = start(provider, { event: textSchema(3), state: textsSchema(2) });
    assert.deepEqual(await again.ask({}), ["x", "y", "v2", "z → 2 → 3", "new"]);
  });

  check("a state of a version that is not known is rebuilt from the journal", async (provider) => {
    await using old = start(provider, {});
    await old.ask({ texts: ["x", "y"] });
    await old.snapshot();
    await old.stop();
    const problems = new Problems();
    const state: Schema<Texts> = { name: "texts", version: 2 };
    await using actor = start(provider, { event: textSchema(2), state, problems });
    assert.deepEqual(await actor.ask({}), ["x → 2", "y → 2"]);
    assert.deepEqual(problems.types, ["snapshot-unreadable"]);
    assert.match(String(problems.all[0]?.error), /UNKNOWN_SCHEMA|version 1 of "texts"/);
  });

  check("an event that is not valid is refused, and changes nothing", async (provider) => {
    const event = withChange(textSchema(1), {
      validator: validatorOf((text) => text === "bad" ? [{ message: "is bad" }] : []),
    });
    await using actor = start(provider, { event });
    const asked = [{ texts: ["x"] }, { texts: ["y", "bad"] }, { texts: ["z"] }]
      .map((command) => actor.ask(command));
    assert.deepEqual(await outcomesOf(asked), [["x"], "VALIDATION_FAILED", ["x", "z"]]);
    await actor.stop();
    await using again = start(provider, { event });
    assert.deepEqual(await again.ask({}), ["x", "z"]);
  });

  check("an upcaster that throws stops the recovery, with number and cause", async (provider) => {
    await using old = start(provider, {});
    await old.ask({ texts: ["x", "y"] });
    await old.stop();
    const reason = new Error("no");
    const event = withChange(textSchema(2), {
      upcasters: {
        1: (text: string) => {
          if (text === "y") throw reason;
          return text;
        },
      },
    });
    await using actor = start(provider, { event });
    const error = await assertFails(() => actor.recovered, "UPCAST_FAILED", {
      actorId: "a",
      sequenceNumber: 1,
    });
    assert.equal(error.cause, reason);
    await actor.terminated;
    const journal = provider.createMessageJournal({ kind: KIND, schema: event });
    const recovering = () =>
      recover<Texts, string>({
        actorId: "a",
        journal,
        initialState: [],
        apply: (texts, text) => [...texts, text],
      });
    await assertFails(recovering, "UPCAST_FAILED", { actorId: "a", sequenceNumber: 1 });
  });

  check("effects pass the schema by, and readers see events alone", async (provider) => {
    const failing = new Deliveries();
    failing.onDeliver = () => Promise.reject(new Error("not now"));
    await using old = start(provider, { deliver: failing.deliver });
    await old.ask({ texts: ["x"], effects: ["mail"] });
    await old.snapshot();
    await old.stop();

    const deliveries = new Deliveries();
    const event = textSchema(3);
    await using actor = start(provider, {
      event,
      state: textsSchema(2),
      deliver: deliveries.deliver,
    });
    assert.deepEqual(await actor.ask({}), ["x", "v2"]);
    await actor.outbox.drained();
    assert.deepEqual(deliveries.seen.map(({ effect }) => effect), ["mail"]);
    await actor.stop();

    const journal = provider.createMessageJournal({ kind: KIND, schema: event });
    const entries = await journal.readFrom("a", 0);
    assert.deepEqual(entries.map(({ message }) => message), ["x → 2 → 3"]);
    assert.deepEqual(entries.map(({ schema }) => schema), [storedAs("text", 1)]);
    await using again = start(provider, { event, state: textsSchema(2) });
    assert.deepEqual(await again.ask({}), ["x", "v2"]);
  });
}
