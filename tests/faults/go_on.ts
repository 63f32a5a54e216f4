import type { PersistenceProvider } from "../../core/provider.ts";
import { LedgerError, type LedgerRecord } from "./ledger.ts";
import { messageOf } from "./ledger_content.ts";

/** How it goes on. */
export interface GoOnOptions {
  /** The name of the writer, that no other one has. */
  readonly writer: string;
  readonly actorIds: readonly string[];
  /** Is told what is appended, and that it was acknowledged. */
  readonly tell?: (record: LedgerRecord) => void;
}

/**
 * Appends to every actor where its journal ends, and reads it back.
 *
 * @param provider The database.
 * @param options How it goes on.
 * @throws {LedgerError} Where it does not work.
 */
export async function goOn(
  provider: PersistenceProvider,
  { writer, actorIds, tell = () => {} }: GoOnOptions,
): Promise<void> {
  const journal = provider.createMessageJournal<string>();
  for (const [operation, actorId] of actorIds.entries()) {
    const expected = (await journal.getHighestSequenceNumber(actorId)) + 1;
    const of = 1 + operation % 3;
    tell({ begins: operation, actorId, appends: of });
    const messages = Array.from(
      { length: of },
      (_, at) => messageOf({ actorId, writer, operation, at, of }),
    );
    const [first = -1] = await journal.appendBatch(actorId, messages);
    if (first !== expected) {
      throw new LedgerError(`actor ${actorId}: the next message got ${first}, not ${expected}`);
    }
    tell({ acknowledges: operation, first });
    const entries = await journal.readFrom(actorId, first);
    if (entries.map(({ message }) => message).join() !== messages.join()) {
      throw new LedgerError(`actor ${actorId}: what was appended at ${first} is not what is read`);
    }
  }
}
