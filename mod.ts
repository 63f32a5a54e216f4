/**
 * Durable journals and snapshots for actors.
 *
 * This module is the part that is the same on every storage: the provider and what it creates, the
 * codecs, the errors, and the ports for storages and codecs of your own. A provider on LMDB is
 * opened with `@cajun/persistence/node`, `/bun` or `/deno`; one in memory with
 * `@cajun/persistence/memory`.
 *
 * @module
 */

export {
  type ActorStatus,
  type AskOptions,
  StatefulActor,
  type TellOptions,
} from "./core/actor.ts";
export type {
  ActorOptions,
  ActorProblem,
  Directive,
  HandlerFailure,
  MailboxOptions,
  StatefulActorOptions,
} from "./core/actor_options.ts";
export {
  type ActorsProgress,
  type RecoverAllOptions,
  StatefulActors,
  type StatefulActorsOptions,
} from "./core/actors.ts";
export type { BackpressureStrategy, PendingCounts } from "./core/admission.ts";
export {
  type Behavior,
  commandSourced,
  type CommandSourcing,
  type Consequences,
  type Decision,
  eventSourced,
  type EventSourcing,
  type Outcome,
} from "./core/behavior.ts";
export type { Codec } from "./core/codec.ts";
export type { CommitCounts } from "./core/commit_queue.ts";
export {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
  type PersistenceErrorCode,
  type PersistenceErrorDetails,
} from "./core/errors.ts";
export type { FollowerRegistry } from "./core/followers.ts";
export type {
  AppendOptions,
  BatchedJournalOptions,
  BatchedMessageJournal,
  JournalEntry,
  JournalOptions,
  JournalPending,
  MessageJournal,
  ReadOptions,
  ReplayOptions,
} from "./core/journal.ts";
export { JsonCodec } from "./core/json_codec.ts";
export { MAX_ACTOR_ID_BYTES } from "./core/keys.ts";
export { MessagePackCodec } from "./core/msgpack_codec.ts";
export type { Delivery, OutboxOptions } from "./core/outbox.ts";
export {
  PersistenceProvider,
  type PreparedProvider,
  type ProviderOptions,
  type ProviderStats,
} from "./core/provider.ts";
export {
  type InitialState,
  recover,
  type Recovery,
  type RecoveryOptions,
  type RecoveryProgress,
  type UnreadableSnapshot,
} from "./core/recovery.ts";
export type { FollowerPositions, RetentionOptions } from "./core/retention.ts";
export {
  type RetentionRound,
  RetentionSweep,
  type RetentionSweepOptions,
} from "./core/retention_sweep.ts";
export type { RetryOptions } from "./core/retry.ts";
export type { SnapshotPolicyOptions, SnapshotTail } from "./core/snapshot_policy.ts";
export type {
  Schema,
  SchemaFallbacks,
  SchemaVersion,
  SingleSchema,
  StoredPlace,
  TypeSchema,
  UnionSchema,
  UnknownValue,
  Upcaster,
} from "./core/schema.ts";
export type {
  DeleteSnapshotsCriteria,
  SnapshotCriteria,
  SnapshotEntry,
  SnapshotStore,
  SnapshotStoreOptions,
} from "./core/snapshots.ts";
export type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaProps,
  StandardSchemaResult,
  StandardSchemaTypes,
} from "./core/standard_schema.ts";
export {
  type Change,
  type Condition,
  makesRoom,
  MAX_KEY_BYTES,
  type MaybePromise,
  type ScanRange,
  type Space,
  SPACES,
  type Storage,
  type StorageStats,
  type StorageSupports,
  type StoredEntry,
  type WriteGroup,
} from "./core/storage.ts";
