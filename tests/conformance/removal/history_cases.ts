import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { PersistenceError } from "../../../core/errors/persistence_error.ts";
import type { HandledMarks } from "../../../core/ports/actor_store.ts";
import type { Storage, WriteGroup } from "../../../core/ports/storage.ts";
import { PersistenceProvider } from "../../../core/provider.ts";
import { casesOf, withStorage } from "../fixture.ts";
import { KeptOpenStorage } from "../observed_storage.ts";
import { type Random, withRandom } from "../random.ts";
import { everythingCollectedIn, everythingOf, OF_KIND, openOn } from "./fixture.ts";
import { type Call, drawCall } from "./history_calls.ts";
import { ActorModel } from "./history_model.ts";
import type { ConformanceOptions } from "../types.ts";

const CALLS = 60;
const PROCESSES = 3;

/** Registers the cases about histories in which removals are interrupted. */
export function describeRemovalHistories(options: ConformanceOptions): void {
  const check = casesOf(options, "removal histories", withStorage);

  check(
    "random calls, interrupted at any commit: what was acknowledged is there, what was removed is not",
    (storage) =>
      withRandom(options.seed, async (random) => {
        const provider = await openOn(storage);
        const before = await everythingCollectedIn(storage);
        const history = new History(storage, random);
        for (let left = CALLS; left > 0; left--) await history.step();
        await provider.deleteActor("a", OF_KIND);
        assert.deepEqual(await everythingCollectedIn(storage), before);
      }),
  );
}

/** A storage on which a process dies, or fails, after so many commits. */
class InterruptedStorage extends KeptOpenStorage {
  /** How many commits pass before one does not. */
  passing = Infinity;
  /** Whether that one takes effect, and only its answer is lost. */
  takesEffect = false;

  override async commit(groups: readonly WriteGroup[]): Promise<readonly boolean[]> {
    if (this.passing-- > 0) return await super.commit(groups);
    if (!this.takesEffect) throw new PersistenceError("STORAGE_FAILED", "Cannot commit");
    if (this.passing === -1) await super.commit(groups);
    throw new PersistenceError("REOPEN_REQUIRED", "Cannot commit: nobody knows");
  }
}

/** A process: a provider on the storage that all of them share. */
interface Process {
  readonly storage: InterruptedStorage;
  readonly provider: PersistenceProvider;
}

/** Calls of some processes on one actor, one after the other. */
class History {
  readonly #storage: Storage;
  readonly #random: Random;
  readonly #processes: (Process | undefined)[] = [];
  /** Told when something differs. */
  readonly #trace: string[] = [];
  #actor = new ActorModel();

  constructor(storage: Storage, random: Random) {
    this.#storage = storage;
    this.#random = random;
  }

  /** Makes a call, which may be interrupted, and looks at what is there then. */
  async step(): Promise<void> {
    const index = this.#random.below(PROCESSES);
    const process = this.#processes[index] ??= await this.#start();
    const call = drawCall(this.#actor, this.#random);
    const interrupts = this.#random.below(call.isRemoval ? 2 : 4) === 0;
    process.storage.passing = interrupts ? this.#random.below(4) : Infinity;
    process.storage.takesEffect = this.#random.below(2) === 0;
    this.#trace.push(
      `${index}: ${call.name}${interrupts ? ` (fails after ${process.storage.passing})` : ""}`,
    );
    const outcome = await call.run(process.provider).then(() => "done", codeOf);
    this.#trace.push(`  ${outcome}`);
    process.storage.passing = Infinity;
    // What it knows is of no use any more, as if it had been killed.
    const isDead = outcome === "REOPEN_REQUIRED" || this.#random.below(8) === 0;
    if (isDead) this.#processes[index] = undefined;
    await this.#compare(call, outcome, isDead ? undefined : process);
  }

  async #compare(call: Call, outcome: string, process: Process | undefined): Promise<void> {
    const reader = process && this.#random.below(2) === 0 ? process : await this.#start();
    const found = await everythingOf(reader.provider);
    const seen = {
      ...found,
      consumers: (found["consumers"] as unknown[]).toSorted(),
      marks: retainedMarks(found),
    };
    const isFailed = outcome === "STORAGE_FAILED" || outcome === "REOPEN_REQUIRED";
    if (outcome === "CONFLICT") assert.equal(call.after, undefined, this.#told(call));
    else if (!isFailed) assert.ok(call.after && outcome === "done", this.#told(call));
    const possible = [
      ...(outcome === "done" ? [] : [this.#actor]),
      ...(call.after ? [call.after] : []),
    ];
    const actor = possible.find(({ everything }) => isDeepStrictEqual(seen, everything));
    if (!actor) assert.deepEqual(seen, possible.at(-1)?.everything, this.#told(call));
    else this.#actor = actor;
  }

  #told(call: Call): string {
    return `after ${call.name}:\n${this.#trace.slice(-24).join("\n")}`;
  }

  async #start(): Promise<Process> {
    const storage = new InterruptedStorage(this.#storage);
    return { storage, provider: await PersistenceProvider.openOn(storage) };
  }
}

function retainedMarks({ marks, lowest }: Record<string, unknown>): unknown {
  const { handled, refused } = marks as HandledMarks;
  return { handled, refused: refused.filter((number) => number >= Number(lowest)) };
}

function codeOf(error: unknown): string {
  if (error instanceof PersistenceError) return error.code;
  throw error;
}
