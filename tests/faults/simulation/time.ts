/**
 * Time that passes only when a simulation says so. The core asks the global clock and sets global
 * timers, so these are replaced while a simulation runs, and put back whenever it lets go of the
 * thread: the test runner's own timers never see the simulated ones.
 *
 * @module
 */

/** Where the simulated clock begins, in milliseconds since 1970: any time will do. */
const START_MS = 1_700_000_000_000;

interface Timer {
  readonly id: number;
  readonly dueMs: number;
  readonly call: () => void;
}

/** What is replaced. */
interface Globals {
  setTimeout: unknown;
  clearTimeout: unknown;
  performance: unknown;
  Date: unknown;
}

/** A clock with timers, both driven by hand. */
export class SimulatedTime {
  #nowMs = 0;
  readonly #msPerLook: number;
  /** By how much the clock on the wall was set. */
  #skewMs = 0;
  #timers: Timer[] = [];
  #lastId = 0;
  #real: Globals | undefined;

  /**
   * @param msPerLook How much time passes whenever somebody measures it, so that work takes time. No
   *   timer is called then.
   */
  constructor(msPerLook: number) {
    this.#msPerLook = msPerLook;
  }

  /** Whether a timer is set. */
  get hasTimers(): boolean {
    return this.#timers.length > 0;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Replaces the global clock and timers. */
  install(): void {
    const globals: Globals = globalThis;
    const RealDate = Date;
    this.#real = {
      setTimeout: globals.setTimeout,
      clearTimeout: globals.clearTimeout,
      performance: globals.performance,
      Date: globals.Date,
    };
    const now = () => START_MS + this.#nowMs + this.#skewMs;
    Object.assign(globals, {
      setTimeout: (call: () => void, ms: number) => this.#set(call, ms),
      clearTimeout: (id: number | undefined) => this.#clear(id),
      Date: class extends RealDate {
        static override now(): number {
          return Math.floor(now());
        }
      },
    });
    replace("performance", { now: () => (this.#nowMs += this.#msPerLook) });
  }

  /** Puts the real ones back. */
  uninstall(): void {
    if (!this.#real) return;
    const { performance, ...others } = this.#real;
    this.#real = undefined;
    Object.assign(globalThis, others);
    replace("performance", performance);
  }

  /**
   * Lets time pass. Timers that become due are called, in order, each at its own time.
   *
   * @param ms How much.
   */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#next(); next && next.dueMs <= untilMs; next = this.#next()) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#clear(next.id);
      next.call();
    }
    this.#nowMs = untilMs;
  }

  /** Lets time pass until the next timer is due, and calls it. */
  advanceToTimer(): void {
    const next = this.#next();
    if (next) this.advance(Math.max(0, next.dueMs - this.#nowMs));
  }

  /**
   * Sets the clock on the wall. What is measured with `performance.now()` is not changed by it.
   *
   * @param ms By how much.
   */
  setWallClock(ms: number): void {
    this.#skewMs += ms;
  }

  #set(call: () => void, ms: number): number {
    const timer = { id: ++this.#lastId, dueMs: this.#nowMs + Math.max(1, ms), call };
    this.#timers.push(timer);
    return timer.id;
  }

  #clear(id: number | undefined): void {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  }

  /** The one that is due first; of several, the one that was set first. */
  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (!next || timer.dueMs < next.dueMs) next = timer;
    return next;
  }
}

/** Runtimes differ in whether this one can be assigned to. */
function replace(name: "performance", value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

/** As many microtasks settle whatever does not wait for the storage or a timer. */
export const MICROTASKS_TO_REST = 60;

/** Lets microtasks pass. */
export async function microtasks(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await undefined;
}
