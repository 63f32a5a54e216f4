/**
 * Which message is answered with what.
 *
 * @module
 */

/**
 * Marks a type of message with the type of its answer, so that `ask` gives just that. It is a matter
 * of types only: messages have no such property.
 *
 * @typeParam Reply What the message is answered with.
 *
 * @example Two questions
 * ```ts
 * import { type Decision, eventSourced, type Replies, StatefulActors } from "@cajun/persistence";
 * import { MemoryPersistenceProvider } from "@cajun/persistence/memory";
 *
 * type Command =
 *   | ({ type: "count" } & Replies<number>)
 *   | ({ type: "list" } & Replies<string[]>)
 *   | ({ type: "add"; sku: string } & Replies<void>);
 *
 * await using provider = await MemoryPersistenceProvider.open();
 * await using carts = StatefulActors.start({
 *   provider,
 *   kind: "cart",
 *   behavior: eventSourced({
 *     initialState: [],
 *     handle(_skus: string[], command: Command): Decision<string[], string, number | string[]> {
 *       if (command.type === "count") return { reply: (skus: string[]) => skus.length };
 *       if (command.type === "list") return { reply: (skus: string[]) => [...skus] };
 *       return { events: [command.sku] };
 *     },
 *     apply: (skus: string[], sku: string) => [...skus, sku],
 *   }),
 * });
 * await carts.ask("42", { type: "add", sku: "tea" });
 * const count = await carts.ask("42", { type: "count" });
 * console.log(count.toFixed(1)); // 1.0
 * ```
 */
export interface Replies<Reply> {
  /** Never there: it only carries the type. */
  readonly "~reply"?: Reply;
}

/**
 * What a message is answered with: what it is marked with by {@linkcode Replies}, and otherwise what
 * the behavior answers.
 *
 * @typeParam Message All messages.
 * @typeParam Sent The message.
 * @typeParam Reply What the behavior answers.
 */
export type ReplyTo<Message, Sent, Reply> = Message extends unknown
  ? Sent extends Message
    ? Message extends Replies<infer Marked>
      ? unknown extends Marked ? Reply : Exclude<Marked, undefined>
    : Reply
  : never
  : never;
