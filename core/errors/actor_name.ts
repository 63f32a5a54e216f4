/**
 * How errors name actors.
 *
 * @module
 */

/** What names an actor: its kind and id. */
export interface NamedActor {
  /** The kind, or an empty string if the actor has no kind. */
  readonly kind: string;
  /** The id. */
  readonly actorId: string;
}

/** The details of an error that concerns an actor. */
export interface ActorDetails {
  /** The id of the actor. */
  readonly actorId: string;
  /** The kind of the actor. Absent if it has none. */
  readonly kind?: string;
}

/**
 * The words for an actor in an error message.
 *
 * @param actor The actor.
 * @returns `actor "42"`, or `actor "42" of kind "cart"`.
 */
export function describeActor({ kind, actorId }: NamedActor): string {
  return kind === "" ? `actor "${actorId}"` : `actor "${actorId}" of kind "${kind}"`;
}

/**
 * The details of an error that concerns an actor.
 *
 * @param actor The actor.
 * @returns Its id, and its kind if it has one.
 */
export function detailsOf({ kind, actorId }: NamedActor): ActorDetails {
  return kind === "" ? { actorId } : { actorId, kind };
}
