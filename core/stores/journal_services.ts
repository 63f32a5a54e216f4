/**
 * What journals are made of.
 *
 * @module
 */

import type { CommitQueue } from "../commit/commit_queue.ts";
import type { Clock } from "../ports/clock.ts";
import type { TelemetrySink } from "../ports/telemetry.ts";
import type { JournalReader } from "../read/journal_reader.ts";
import type { StreamWindow } from "./append_sink.ts";
import type { MessageEncoder } from "./message_encoder.ts";
import type { Truncation } from "./truncation.ts";

/** What the journals of one provider share. */
export interface JournalServices {
  /** The queue that commits appends. */
  readonly queue: CommitQueue;
  /** Reads and decodes entries. */
  readonly reader: JournalReader;
  /** Turns messages into bytes. */
  readonly encoder: MessageEncoder;
  /** Carries out truncations. */
  readonly truncation: Truncation;
  /** How much each writable stream may have under way. */
  readonly streamWindow: StreamWindow;
  /** Where spans begin. */
  readonly telemetry: TelemetrySink;
  /** The clock of the runtime. */
  readonly clock: Clock;
  /** Aborts when the provider is being closed. */
  readonly closing: AbortSignal;
  /** Throws `CLOSED` once the provider is being closed. */
  readonly assertOpen: (operation: string) => void;
}
