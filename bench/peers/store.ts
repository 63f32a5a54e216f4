// What every contestant that stores messages can do.
import type { ContestantKind } from "../measure.ts";
import type { Message } from "../messages.ts";

/** A store of messages by actor. Whatever it acknowledges survives power loss. */
export interface Store extends AsyncDisposable {
  readonly name: string;
  readonly kind: ContestantKind;
  /** Stores a message; what is called before the next flush begins may share it. */
  append(actorId: string, message: Message): Promise<unknown>;
  /** Stores messages, all or none, with one flush. */
  appendBatch(actorId: string, messages: readonly Message[]): Promise<unknown>;
  /** Reads and decodes messages in order. Returns how many. */
  read(actorId: string, from: number, limit: number): Promise<number>;
}

/** The next sequence number of each actor, for stores in which nobody else keeps it. */
export class Numbers {
  readonly #next = new Map<string, number>();

  take(actorId: string): number {
    const number = this.#next.get(actorId) ?? 0;
    this.#next.set(actorId, number + 1);
    return number;
  }
}
