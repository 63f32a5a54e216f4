/**
 * How far the consumers of journals have come, such as projections and replicas. What they have not
 * read yet is not truncated, even while they are not running.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { checkOptionalKind, checkSequenceNumber } from "../errors/arguments.ts";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
} from "../errors/persistence_error.ts";
import { failureOf } from "../errors/storage_failure.ts";
import { type ActorAddress, addressOf } from "../format/actor_address.ts";
import {
  type ConsumerPositionsByName,
  consumersKey,
  decodeConsumers,
  encodeConsumers,
} from "../format/consumer_record.ts";
import { drawVersion } from "../format/random_version.ts";
import type { ConsumerRegistry, ConsumerRegistryOptions } from "../ports/consumers.ts";
import type { Storage } from "../ports/storage.ts";
import { isBeingRemoved } from "../read/removal.ts";

const MAX_NAME_LENGTH = 256;
/** This many positions still make one small record. More consumers than that need a broker. */
const MAX_CONSUMERS = 1_000;

/** A change of the positions of an actor's consumers, and what settles its call. */
interface PositionChange {
  /** May throw. Then it has changed nothing. */
  readonly apply: (positions: ConsumerPositionsByName) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The positions of an actor's consumers, as they are stored. */
interface StoredPositions {
  readonly positions: ConsumerPositionsByName;
  /** The version of the record, or `undefined` if there is none. */
  readonly version: number | undefined;
}

/** What the registries of one provider share. */
export interface ConsumerServices {
  /** The storage that positions are read from. */
  readonly storage: Storage;
  /** The queue that commits changes. */
  readonly queue: CommitQueue;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
  /** By actor: changes that wait while its record is written. The next record has all of them. */
  readonly waiting: Map<string, PositionChange[]>;
}

/** The registry of a provider, on its commit queue. */
export class QueuedConsumerRegistry implements ConsumerRegistry {
  readonly #services: ConsumerServices;
  readonly #kind: string;

  /**
   * @param services What the registries of one provider share.
   * @param options The kind of the actors.
   * @throws {ArgumentTypeError | ArgumentRangeError} `INVALID_ARGUMENT` if the kind is bad.
   */
  constructor(services: ConsumerServices, options: ConsumerRegistryOptions) {
    this.#services = services;
    this.#kind = checkOptionalKind(options.kind, "create consumer registry");
  }

  /** See {@linkcode ConsumerRegistry.register}. */
  async register(actorId: string, consumer: string, sequenceNumber: number): Promise<void> {
    const actor = this.#check(actorId, "register consumer");
    const operation = `register consumer of ${describeActor(actor)}`;
    checkName(consumer, operation);
    checkSequenceNumber(sequenceNumber, "sequenceNumber", operation);
    await this.#change(actor, (positions) => {
      if (positions.has(consumer) || positions.size < MAX_CONSUMERS) {
        return void positions.set(consumer, sequenceNumber);
      }
      throw new PersistenceError(
        "TOO_LARGE",
        `Cannot ${operation}: it already has ${MAX_CONSUMERS} consumers`,
        detailsOf(actor),
      );
    });
  }

  /** See {@linkcode ConsumerRegistry.unregister}. */
  async unregister(actorId: string, consumer: string): Promise<void> {
    const actor = this.#check(actorId, "unregister consumer");
    checkName(consumer, `unregister consumer of ${describeActor(actor)}`);
    await this.#change(actor, (positions) => void positions.delete(consumer));
  }

  /** See {@linkcode ConsumerRegistry.positions}. */
  async positions(actorId: string): Promise<ReadonlyMap<string, number>> {
    const actor = this.#check(actorId, "read consumers");
    return (await this.#read(actor)).positions;
  }

  /** See {@linkcode ConsumerPositions.lowestNeeded}. */
  async lowestNeeded(actorId: string): Promise<number | undefined> {
    let lowest: number | undefined;
    for (const needed of (await this.positions(actorId)).values()) {
      if (lowest === undefined || needed < lowest) lowest = needed;
    }
    return lowest;
  }

  #check(actorId: string, operation: string): ActorAddress {
    this.#services.assertOpen(operation);
    return addressOf(this.#kind, actorId, operation);
  }

  async #change(
    actor: ActorAddress,
    apply: (positions: ConsumerPositionsByName) => void,
  ): Promise<void> {
    const { waiting } = this.#services;
    const name = nameOf(actor);
    const others = waiting.get(name);
    const isFirst = others === undefined;
    const changes = others ?? [];
    waiting.set(name, changes);
    const done = new Promise<void>((resolve, reject) => changes.push({ apply, resolve, reject }));
    if (isFirst) void this.#writeAll(actor, changes);
    await done;
  }

  /** Writes until no change of the actor waits. */
  async #writeAll(actor: ActorAddress, changes: PositionChange[]): Promise<void> {
    while (changes.length > 0) {
      const taken = changes.splice(0);
      try {
        await this.#write(actor, taken);
        for (const { resolve } of taken) resolve();
      } catch (error) {
        const failure = failureOf("write consumers of", actor, error);
        for (const { reject } of taken) reject(failure);
      }
    }
    this.#services.waiting.delete(nameOf(actor));
  }

  /** Reads the record of an actor. */
  async #read(actor: ActorAddress): Promise<StoredPositions> {
    const { storage } = this.#services;
    const key = consumersKey(actor.key);
    if (await isBeingRemoved(storage, actor)) return { positions: new Map(), version: undefined };
    const stored = await storage.get("meta", key);
    return { positions: decodeConsumers(actor, key, stored), version: stored?.version };
  }

  /** Writes the record, again each time that another process was faster. */
  async #write(actor: ActorAddress, changes: readonly PositionChange[]): Promise<void> {
    const { queue } = this.#services;
    const key = consumersKey(actor.key);
    // So no record is taken for one that was deleted with its actor.
    const first = drawVersion();
    for (let applied = false; !applied;) {
      const { positions, version } = await this.#read(actor);
      for (const { apply, reject } of changes) {
        try {
          apply(positions);
        } catch (error) {
          reject(error);
        }
      }
      const value = encodeConsumers(key, positions);
      applied = await queue.writeFor(actor, {
        conditions: [{ keyspace: "meta", key, version }],
        changes: [{ type: "put", keyspace: "meta", key, value, version: (version ?? first) + 1 }],
      });
    }
  }
}

/** Kinds and ids may have any character, so they are not merely joined. */
function nameOf({ kind, actorId }: ActorAddress): string {
  return JSON.stringify([kind, actorId]);
}

function checkName(consumer: string, operation: string): void {
  if (typeof consumer !== "string") {
    throw new ArgumentTypeError(
      `Cannot ${operation}: the consumer must be a string, not ${typeof consumer}`,
    );
  }
  if (consumer.length === 0 || consumer.length > MAX_NAME_LENGTH) {
    throw new ArgumentRangeError(
      `Cannot ${operation}: the consumer must have 1 to ${MAX_NAME_LENGTH} code units, not ${consumer.length}`,
    );
  }
}
