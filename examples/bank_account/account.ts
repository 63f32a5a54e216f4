// What a bank account does. A command is decided on the state; the resulting events are journaled;
// the balance follows from them, also after a restart.
import { type Behavior, eventSourced } from "../../mod.ts";

export type Command =
  | { type: "deposit"; cents: number }
  | { type: "withdraw"; cents: number }
  | { type: "balance" };

export type Event = { type: "deposited"; cents: number } | { type: "withdrawn"; cents: number };

export interface Account {
  balance: number;
}

/** Goes to the customer at least once: a letter that is sent again has the same id. */
export interface Letter {
  text: string;
}

export const account: Behavior<Account, Command, Event, number, Letter> = eventSourced({
  initialState: { balance: 0 },

  // Decides, and changes nothing. If it throws, nothing is journaled, and the caller gets the error.
  handle({ balance }: Account, command: Command) {
    const reply = (account: Account) => account.balance;
    switch (command.type) {
      case "balance":
        return { reply };
      case "deposit":
        return { events: [{ type: "deposited", cents: command.cents }], reply };
      case "withdraw":
        if (command.cents > balance) throw new RangeError(`There are only ${balance} cents`);
        return {
          events: [{ type: "withdrawn", cents: command.cents }],
          effects: [{ text: `You took ${command.cents} cents` }],
          reply,
        };
    }
  },

  // Applies an event: now, and in every replay.
  apply({ balance }: Account, event: Event) {
    const change = event.type === "deposited" ? event.cents : -event.cents;
    return { balance: balance + change };
  },
});
