/** What a fault is to do. */
export interface FaultOptions {
  /** Everything random comes from it. */
  readonly seed: number;
  /** How many trials: images, rounds, seeds, inputs. */
  readonly count: number;
  /** Is told, now and then, how many trials have been carried out. */
  readonly progress: (done: number) => void;
}

/** What came of a fault. */
export interface FaultResult {
  /** How many trials were really carried out. */
  readonly tried: number;
  /** What went wrong, each with what reproduces it: seed, index, step. */
  readonly failures: readonly string[];
  /** What else was counted, such as the acknowledged entries that were checked. */
  readonly figures?: Readonly<Record<string, number | string>>;
}

/** A way to break the promise, and the check that it holds all the same. */
export interface Fault {
  /**
   * What selects it on the command line, such as `"power-loss"`, and how many trials there are in
   * `tests/repetitions.ts`.
   */
  readonly name: string;
  /** What it tries: a row of the table. */
  readonly title: string;
  /** What a trial is: `"images"`, `"rounds"`, `"seeds"`, `"inputs"`. */
  readonly unit: string;
  /**
   * It breaks the promise on purpose, which shows that the rig can fail: it is an error if nothing
   * fails.
   */
  readonly expectsFailures?: boolean;
  /** Why it cannot run here (no compiler, no tmpfs), or `undefined`. Then it counts as skipped. */
  unavailable?(): Promise<string | undefined>;
  /** Carries out the trials. */
  run(options: FaultOptions): Promise<FaultResult>;
}
