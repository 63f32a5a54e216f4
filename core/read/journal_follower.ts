/**
 * Follows a journal: what is there, then what is appended, without a gap.
 *
 * @module
 */

import { describeActor, detailsOf } from "../errors/actor_name.ts";
import { PersistenceError } from "../errors/persistence_error.ts";
import type { ActorAddress } from "../format/actor_address.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { watchAbort } from "../util/abort_watch.ts";
import type { EntryPage } from "./entry_page.ts";
import type { JournalHead } from "./journal_head.ts";
import type { JournalReader } from "./journal_reader.ts";

/** The longest time between two looks at a journal that nothing happens to, in milliseconds. */
const MAX_POLL_MS = 1_000;

/** What a follower works with. */
export interface FollowerServices {
  /** Reads the journal. */
  readonly reader: JournalReader;
  /** Wakes it when it is time to look. */
  readonly clock: Clock;
  /**
   * Calls back after each commit of this process that changes the journal.
   *
   * @param wake What is called.
   * @returns A function that stops it.
   */
  readonly watch: (wake: () => void) => () => void;
  /** Those that end it when they abort: that of the caller, and those of what is being closed. */
  readonly signals: readonly AbortSignal[];
  /** Throws the reason if one of the signals has aborted. */
  readonly assertGoingOn: () => void;
}

/** What a follower follows. */
export interface FollowedJournal {
  /** The actor. */
  readonly actor: ActorAddress;
  /** The lowest sequence number that is read. It may be negative. */
  readonly from: number;
  /** How long it waits before it looks again, in milliseconds; longer while nothing happens. */
  readonly pollMs: number;
}

/**
 * Follows a journal.
 *
 * @typeParam Message The type of the messages.
 */
export class JournalFollower<Message> {
  readonly #services: FollowerServices;
  readonly #actor: ActorAddress;
  readonly #pollMs: number;
  /** The sequence number of the next entry that is read. */
  #next: number;
  /** The incarnation of the journal, once it has been seen. */
  #incarnation: number | undefined;
  #hasEnded = false;
  /** Whether the journal may have changed since it was last looked at. */
  #isAwake = false;
  #wakeSleeper: (() => void) | undefined;

  /**
   * @param services What it works with.
   * @param followed What it follows.
   */
  constructor(services: FollowerServices, { actor, from, pollMs }: FollowedJournal) {
    this.#services = services;
    this.#actor = actor;
    this.#next = from;
    this.#pollMs = pollMs;
  }

  /** Ends it: a page that is waited for does not come any more. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /**
   * Reads the entries, and waits for more.
   *
   * @returns Pages of entries, none of them empty, in ascending order, until {@linkcode end}.
   * @throws {PersistenceError} `TRUNCATED` if the next entry is not there any more; the codes of
   *   reading.
   * @throws {unknown} What `assertGoingOn` throws.
   */
  async *pages(): AsyncGenerator<EntryPage<Message>, void, undefined> {
    const { reader, assertGoingOn } = this.#services;
    while (!this.#hasEnded) {
      assertGoingOn();
      const head = await this.#nextHead();
      if (!head) return;
      const bounds = {
        from: this.#next,
        to: Number.MAX_SAFE_INTEGER,
        limit: Number.MAX_SAFE_INTEGER,
        reverse: false,
      };
      for await (const page of reader.pagesOf<Message>(this.#actor, head, bounds)) {
        this.#next += page.length;
        yield page;
        assertGoingOn();
      }
    }
  }

  /** The head, as soon as it knows of another entry; `undefined` at the end. */
  async #nextHead(): Promise<JournalHead | undefined> {
    // Before the head is read: whatever changes it later must wake.
    const wake = () => this.#wake();
    const unwatch = [
      this.#services.watch(wake),
      ...this.#services.signals.map((signal) => watchAbort(signal, () => this.#wake())),
    ];
    try {
      for (let delayMs = this.#pollMs; !this.#hasEnded;) {
        this.#isAwake = false;
        const head = await this.#services.reader.head(this.#actor);
        this.#services.assertGoingOn();
        if (this.#hasNext(head)) return head;
        await this.#sleep(delayMs);
        this.#services.assertGoingOn();
        delayMs = Math.min(2 * delayMs, Math.max(this.#pollMs, MAX_POLL_MS));
      }
      return undefined;
    } finally {
      for (const stop of unwatch) stop();
    }
  }

  #hasNext(head: JournalHead): boolean {
    if (this.#incarnation === undefined) {
      if (head.incarnation === 0) return false;
      this.#incarnation = head.incarnation;
      // There never was anything before the origin.
      this.#next = Math.max(this.#next, head.originSequenceNumber);
    }
    if (head.incarnation !== this.#incarnation) throw this.#lost("the journal was deleted");
    if (head.firstSequenceNumber > this.#next) {
      throw this.#lost(`the journal now begins at ${head.firstSequenceNumber}`);
    }
    return head.nextSequenceNumber > this.#next;
  }

  #lost(reason: string): PersistenceError {
    return new PersistenceError(
      "TRUNCATED",
      `Cannot follow journal of ${
        describeActor(this.#actor)
      }: entry ${this.#next} is not there any more, ${reason}`,
      { ...detailsOf(this.#actor), sequenceNumber: this.#next },
    );
  }

  #wake(): void {
    this.#isAwake = true;
    this.#wakeSleeper?.();
  }

  async #sleep(delayMs: number): Promise<void> {
    if (this.#isAwake) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wakeSleeper = resolve;
      // Who follows a journal waits for what comes, so the process waits, too.
      timer = this.#services.clock.setTimer(resolve, delayMs, true);
    });
    timer?.cancel();
    this.#wakeSleeper = undefined;
  }
}
