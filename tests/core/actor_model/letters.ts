/**
 * The messages of a history.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AS_SENT, type Message, type Quirks } from "./behaviors.ts";
import type { ActorIndex, Content, History } from "./history.ts";
import type { Call } from "./ledger.ts";

/** Nothing beside what the content says. */
export const NO_QUIRKS: Quirks = { handle: undefined, reply: undefined, afterPersist: undefined };

interface Letter {
  readonly actor: ActorIndex;
  readonly call: Call;
  quirks: Quirks;
  isPersisted: boolean;
}

/** Makes messages, and knows them again by their numbers. */
export class Letters {
  readonly #second: History["second"];
  readonly #letters = new Map<number, Letter>();
  #count = 0;

  /** @param history Whose messages they are. */
  constructor({ second }: History) {
    this.#second = second;
  }

  /** Makes a message, and what is to be known of it. */
  make(
    actor: ActorIndex,
    content: Content,
    quirks: Quirks = NO_QUIRKS,
  ): { message: Message; call: Call } {
    const { type } = content;
    const hasThings = !["bump", "effect only", "read"].includes(type);
    const count = type === "add" ? content.count : hasThings ? 1 : 0;
    const things = Array.from({ length: count }, () => ({ n: 2 * this.#count++, bumps: 0 }));
    const isChange = type === "add" || type === "effect";
    const n = isChange && things[0] ? things[0].n : 2 * this.#count++ + 1;
    const isCommand = actor.kind === 1 && this.#second === "commands";
    const call: Call = {
      n,
      numbers: type === "bump" || (type === "effect only" && isCommand)
        ? [n]
        : things.map(({ n }) => n),
      isRefused: ["refuse", "spoil", "unencodable", "bad decision"].includes(type),
      effect: type === "effect" || type === "effect only" ? n : undefined,
      fate: "open",
      reply: undefined,
    };
    this.#letters.set(n, { actor, call, quirks, isPersisted: false });
    const bad = type === "unencodable" ? { bad: () => {} } : {};
    return { message: { n, type, things, note: { text: AS_SENT }, ...bad }, call };
  }

  /** The actor that a message was sent to. */
  actorOf(n: number): ActorIndex {
    return this.#letterOf(n).actor;
  }

  /** The quirks of a message. */
  quirksOf(n: number): Quirks {
    return this.#letterOf(n).quirks;
  }

  /** What the handler of a message does when it is called for the first time. */
  takeHandleQuirk(n: number): Quirks["handle"] {
    const letter = this.#letterOf(n);
    const { handle } = letter.quirks;
    letter.quirks = { ...letter.quirks, handle: undefined };
    return handle;
  }

  /** Who asks, and sets no limit, must get an answer. */
  answers(n: number): void {
    const letter = this.#letterOf(n);
    const { quirks } = letter;
    letter.quirks = { ...quirks, reply: quirks.reply === "hang" ? "later" : quirks.reply };
  }

  /** The callback of a message that is durable was called. */
  persisted(n: number): void {
    const letter = this.#letterOf(n);
    assert.ok(!letter.isPersisted, `afterPersist of ${n} is called once`);
    assert.ok(!letter.call.isRefused, `afterPersist of ${n}, which is refused`);
    letter.isPersisted = true;
    letter.call.fate = "there";
  }

  #letterOf(n: number): Letter {
    const letter = this.#letters.get(n);
    assert.ok(letter, `${n} is a message of the history`);
    return letter;
  }
}
