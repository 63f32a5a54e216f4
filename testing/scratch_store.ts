/**
 * Stores what a behavior gives in memory, and checks that it comes back as it was.
 *
 * @module
 */

import { MemoryPersistenceProvider } from "../adapters/memory.ts";
import { MessagePackCodec } from "../core/codec/msgpack_codec.ts";
import {
  type InitialState,
  makeInitialState,
  recover,
  type RecoveryOptions,
} from "../core/actors/recovery.ts";
import { PersistenceError } from "../core/errors/persistence_error.ts";
import type { Codec } from "../core/ports/codec.ts";
import type { MessageJournal } from "../core/ports/journal.ts";
import type { Schema } from "../core/ports/schema.ts";
import type { SnapshotStore } from "../core/ports/snapshot_store.ts";
import type { Scenario } from "./behavior_test_error.ts";

/** How the actors of a behavior are stored. */
export interface BehaviorTestOptions<Stored, State> {
  /**
   * The id that a function `initialState` is called with.
   *
   * @default {"test"}
   */
  actorId?: string;
  /**
   * Encodes what is stored.
   *
   * @default {new MessagePackCodec()}
   */
  codec?: Codec;
  /**
   * What the journaled events or messages are.
   *
   * @default {undefined} Anything that the codec can encode.
   */
  messageSchema?: Schema<Stored>;
  /**
   * What the states are.
   *
   * @default {undefined} Anything that the codec can encode.
   */
  stateSchema?: Schema<State>;
}

/** The stores of one actor in one test. */
export class ScratchStore<Stored, State> implements AsyncDisposable {
  readonly #scenario: Scenario;
  readonly #provider: MemoryPersistenceProvider;
  readonly #actorId: string;
  readonly #codec: Codec;
  readonly #journal: MessageJournal<Stored>;
  readonly #snapshots: SnapshotStore<State>;
  #length = 0;

  private constructor(
    scenario: Scenario,
    provider: MemoryPersistenceProvider,
    codec: Codec,
    { actorId = "test", messageSchema, stateSchema }: BehaviorTestOptions<Stored, State>,
  ) {
    this.#scenario = scenario;
    this.#provider = provider;
    this.#codec = codec;
    this.#actorId = actorId;
    this.#journal = provider.createMessageJournal({
      ...messageSchema && { schema: messageSchema },
    });
    this.#snapshots = provider.createSnapshotStore({ ...stateSchema && { schema: stateSchema } });
  }

  /**
   * Opens empty stores.
   *
   * @param options How actors are stored.
   * @param scenario Fails if something does not come back.
   * @returns The stores.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if an option is invalid.
   */
  static async open<Stored, State>(
    options: BehaviorTestOptions<Stored, State>,
    scenario: Scenario,
  ): Promise<ScratchStore<Stored, State>> {
    const { codec = new MessagePackCodec() } = options;
    const provider = await MemoryPersistenceProvider.open({ codec });
    return new ScratchStore(scenario, provider, codec, options);
  }

  /**
   * Journals messages, which are encoded before this returns, and checks that they come back as they
   * were.
   *
   * @param messages The messages.
   * @param noun What one is called in the messages of failures.
   * @returns The messages as they came back: nobody else has them, so nobody can change them.
   */
  async append(messages: readonly Stored[], noun: string): Promise<readonly Stored[]> {
    const appends = messages.map((message) => this.#journal.append(this.#actorId, message));
    for (const [index, append] of (await Promise.allSettled(appends)).entries()) {
      if (append.status === "fulfilled") continue;
      this.#scenario.failBecause(
        `${nameOf(noun, index)} cannot be stored`,
        reasonOf(append.reason),
      );
    }
    const entries = await this.#reading(noun, () => {
      return this.#journal.readFrom(this.#actorId, this.#length);
    });
    this.#length += messages.length;
    for (const [index, { message }] of entries.entries()) {
      this.#assertSame(message, messages[index], nameOf(noun, index));
    }
    return entries.map(({ message }) => message);
  }

  /**
   * Folds all that was journaled, from the first message on.
   *
   * @param initialState The state before.
   * @param apply Gives the state after a message.
   * @param name Names the callback.
   * @returns The state.
   */
  async replay(
    { initialState, apply }: Pick<RecoveryOptions<State, Stored>, "initialState" | "apply">,
    name: string,
  ): Promise<State> {
    const options = { journal: this.#journal, actorId: this.#actorId, initialState, apply };
    try {
      return (await recover(options)).state;
    } catch (error) {
      const index = error instanceof PersistenceError ? error.sequenceNumber : undefined;
      const place = index === undefined ? "" : `, for what was journaled as [${index}]`;
      return this.#scenario.failBecause(`${name} fails in a replay${place}`, reasonOf(error));
    }
  }

  /**
   * Checks that the state before the first message can be saved. A copy of it, such as a replay
   * begins with, may have lost its class.
   *
   * @param initialState The state, or the function that creates it.
   */
  async checkInitialState(initialState: InitialState<State>): Promise<void> {
    const state = typeof initialState === "function"
      ? this.#does("initialState fails", () => makeInitialState(initialState, this.#actorId))
      : initialState;
    await this.checkState(state, "initialState");
  }

  /**
   * Checks that a state can be saved, and comes back as it was.
   *
   * @param state The state.
   * @param name What it is called in the messages of failures.
   */
  async checkState(state: State, name: string): Promise<void> {
    const sequenceNumber = Math.max(0, this.#length - 1);
    try {
      await this.#snapshots.saveSnapshot(this.#actorId, state, sequenceNumber);
    } catch (error) {
      this.#scenario.failBecause(`${name} cannot be stored`, reasonOf(error));
    }
    const snapshot = await this.#reading(name, () => {
      return this.#snapshots.getLatestSnapshot(this.#actorId);
    });
    this.#assertSame(snapshot?.state, state, name);
  }

  /**
   * Checks that a value which has no schema can be stored, and comes back as it was.
   *
   * @param value The value.
   * @param name What it is called in the messages of failures.
   * @returns The value as it came back.
   */
  restore<Value>(value: Value, name: string): Value {
    const bytes = this.#does(
      `${name} cannot be stored`,
      () => this.#codec.encode(value).slice(),
    );
    const restored = this.#does(`${name} cannot be read`, () => this.#codec.decode(bytes));
    this.#assertSame(restored, value, name);
    // It is the same as the value, so it has its type.
    return restored as Value;
  }

  /** Closes the stores. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.close();
  }

  async #reading<Result>(name: string, read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      return this.#scenario.failBecause(`${name} cannot be read`, error);
    }
  }

  #does<Result>(problem: string, call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      return this.#scenario.failBecause(problem, error);
    }
  }

  #assertSame(actual: unknown, expected: unknown, name: string): void {
    this.#scenario.assertSame(actual, expected, "stored", `${name} does not come back as it was`);
  }
}

/**
 * Names one of several.
 *
 * @param noun What it is.
 * @param index Which of them.
 * @returns The name.
 */
export function nameOf(noun: string, index: number): string {
  return `${noun} [${index}]`;
}

/** What a codec or a callback threw: what is around it says nothing that a test does not know. */
function reasonOf(error: unknown): unknown {
  const isWrapped = error instanceof PersistenceError && error.cause !== undefined &&
    (error.code === "UNENCODABLE" || error.code === "RECOVERY_FAILED");
  return isWrapped ? error.cause : error;
}
