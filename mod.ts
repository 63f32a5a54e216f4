/**
 * Durable journals and snapshots for actors.
 *
 * This module is the part that is the same on every storage: the provider and what it creates, actors,
 * retention, codecs, errors, and the ports for storages and codecs of your own. A provider on LMDB is
 * opened with `@cajun/persistence/node`, `/bun` or `/deno`, one in memory with
 * `@cajun/persistence/memory`.
 *
 * @module
 */

// ports
export type {
  ActorStore,
  ActorStoreOptions,
  ActorStoreProvider,
  AppendedRuns,
  CallChain,
  HandledMarks,
  JournalIdentity,
  PreparedEffect,
  PreparedEntries,
  PreparedState,
  Sourcing,
} from "./core/ports/actor_store.ts";
export type { CallContext } from "./core/ports/call_context.ts";
export type { Clock, Timer } from "./core/ports/clock.ts";
export type { Codec, CodecPlace } from "./core/ports/codec.ts";
export type {
  ConsumerPositions,
  ConsumerRegistry,
  ConsumerRegistryOptions,
} from "./core/ports/consumers.ts";
export type { HealthOptions, HealthReason, ProviderHealth } from "./core/ports/health.ts";
export type { BatchedMessageJournal } from "./core/ports/batched_journal.ts";
export type {
  AppendReceipt,
  JournalEntry,
  JournalPending,
  JournalRange,
  JournalSlice,
  MessageJournal,
  Metadata,
} from "./core/ports/journal.ts";
export type {
  AppendOptions,
  AppendReceiptOptions,
  BatchedJournalOptions,
  FollowOptions,
  JournalOptions,
  ReadOptions,
  ReadRangeOptions,
  ReplayOptions,
  SequenceNumberExpectation,
  TruncateOptions,
} from "./core/ports/journal_options.ts";
export type {
  DeadLetter,
  EffectContent,
  EffectPage,
  EffectPlace,
  OpenEffect,
  OutboxCounts,
  OutboxStore,
} from "./core/ports/outbox_store.ts";
export type {
  ActorInfo,
  ActorStores,
  BackpressureStrategy,
  CommitCounts,
  ListActorsOptions,
  LogStats,
  PendingCounts,
  ProviderOptions,
  ProviderStats,
  RemoveActorOptions,
  Runtime,
} from "./core/ports/provider.ts";
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
} from "./core/ports/schema.ts";
export type {
  DeleteSnapshotsCriteria,
  SnapshotCriteria,
  SnapshotEntry,
  SnapshotStore,
  SnapshotStoreOptions,
} from "./core/ports/snapshot_store.ts";
export type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaProps,
  StandardSchemaResult,
  StandardSchemaTypes,
} from "./core/ports/standard_schema.ts";
export {
  type Keyspace,
  KEYSPACES,
  makesRoom,
  MAX_KEY_BYTES,
  type MaybePromise,
  type OldestReader,
  type OpeningWaits,
  type ScanRange,
  type Storage,
  type StorageChange,
  type StorageCondition,
  type StorageStats,
  type StorageSupports,
  type StoredEntry,
  type WriteGroup,
} from "./core/ports/storage.ts";
export type {
  AskEvent,
  BackpressureEvent,
  BackupEvent,
  CollectionEvent,
  CommitEvent,
  DeliveryEvent,
  ReadEvent,
  RecoveryEvent,
  SnapshotLoadedEvent,
  SnapshotSavedEvent,
  SpanStart,
  Telemetry,
  TelemetryEvent,
  TelemetrySink,
  TelemetrySpan,
  TraceContext,
  TruncationEvent,
} from "./core/ports/telemetry.ts";
export type {
  DamagedActor,
  VerifyOptions,
  VerifyProblem,
  VerifyProgress,
  VerifyReport,
} from "./core/ports/verification.ts";

// errors
export { MAX_ACTOR_ID_BYTES, MAX_KIND_BYTES, MAX_METADATA_BYTES } from "./core/errors/arguments.ts";
export {
  ArgumentRangeError,
  ArgumentTypeError,
  PersistenceError,
  type PersistenceErrorCode,
  type PersistenceErrorDetails,
} from "./core/errors/persistence_error.ts";
export type { RetryOptions } from "./core/errors/retry.ts";

// codec
export { JsonCodec } from "./core/codec/json_codec.ts";
export { MessagePackCodec } from "./core/codec/msgpack_codec.ts";

// retention
export type { RetentionOptions } from "./core/retention/retention_policy.ts";
export {
  type RetentionProblem,
  type RetentionRound,
  type RetentionRoundOptions,
  RetentionSweep,
  type RetentionSweepOptions,
} from "./core/retention/retention_sweep.ts";

// actors
export type {
  ActorStatus,
  AskOptions,
  StopOptions,
  TellOptions,
} from "./core/actors/actor_handle.ts";
export {
  type Behavior,
  commandSourced,
  type CommandSourcing,
  type CommandSourcingOf,
  type Decision,
  type EffectOf,
  eventSourced,
  type EventSourcing,
  type EventSourcingOf,
  type HandlerAnswer,
  type HandlerResult,
  type Outcome,
  type ReplyOf,
} from "./core/actors/behavior.ts";
export type { RecoveryFigures } from "./core/actors/loop.ts";
export type {
  ActorOptions,
  HandlerFailure,
  MailboxOptions,
  StatefulActorOptions,
  SupervisionDirective,
} from "./core/actors/options.ts";
export type { DeadLetterOptions, DrainedOptions, Outbox } from "./core/actors/outbox.ts";
export type { EffectDelivery, OutboxOptions } from "./core/actors/outbox_options.ts";
export {
  type InitialState,
  recover,
  type Recovery,
  type RecoveryOptions,
  type RecoveryProgress,
  type UnreadableSnapshot,
} from "./core/actors/recovery.ts";
export type { Replies, ReplyTo } from "./core/actors/replies.ts";
export type { ActorProblem } from "./core/actors/report.ts";
export type { ChangesSinceSnapshot, SnapshotPolicyOptions } from "./core/actors/snapshot_policy.ts";
export { StatefulActor } from "./core/actors/stateful_actor.ts";
export {
  type ActorsProgress,
  type RecoverAllOptions,
  StatefulActors,
  type StatefulActorsOptions,
} from "./core/actors/stateful_actors.ts";

// provider
export { PersistenceProvider } from "./core/provider.ts";
