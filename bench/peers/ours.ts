// The journal of this project, with its default options.
import type { MessageJournal, PersistenceProvider, Telemetry } from "../../mod.ts";
import type { Context } from "../context.ts";
import type { Message } from "../messages.ts";
import { openProvider } from "../runtime.ts";
import type { Store } from "./store.ts";

/** Up to so many messages are read as an array. */
const MAX_ARRAY = 1_000;

/** The journal, as a contestant. */
export class OurStore implements Store {
  readonly name: string;
  readonly kind = "ours";
  readonly provider: PersistenceProvider;
  readonly journal: MessageJournal<Message>;

  private constructor(name: string, provider: PersistenceProvider) {
    this.name = name;
    this.provider = provider;
    this.journal = provider.createMessageJournal<Message>();
  }

  static async open(
    context: Pick<Context, "codec" | "directory">,
    name = "ours",
    telemetry?: Telemetry,
  ): Promise<OurStore> {
    const path = await context.directory("ours");
    const options = { path, codec: context.codec, ...(telemetry && { telemetry }) };
    return new OurStore(name, await openProvider(options));
  }

  append(actorId: string, message: Message): Promise<number> {
    return this.journal.append(actorId, message);
  }

  appendBatch(
    actorId: string,
    messages: readonly Message[],
  ): Promise<number[]> {
    return this.journal.appendBatch(actorId, messages);
  }

  async read(actorId: string, from: number, limit: number): Promise<number> {
    if (limit <= MAX_ARRAY) return (await this.journal.readFrom(actorId, from, { limit })).length;
    let count = 0;
    for await (const _entry of this.journal.replay(actorId, from, { limit })) {
      count++;
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider.close();
  }
}
