/**
 * The names of options, so that a misspelt one can be found and the right one be named.
 *
 * @module
 */

/**
 * All names that an options bag may have. As the type of a constant it makes the compiler prove that
 * none is missing and none too many.
 *
 * @typeParam Options The options bag.
 */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * The name that was probably meant.
 *
 * @param name A name that is not known.
 * @param known The known names.
 * @returns The known name that is nearest by edit distance, regardless of case, or `undefined` if
 *   more than a third of the characters would have to change.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    const most = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3));
    if (distance > most || distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

/**
 * How many characters must be added, removed, replaced or swapped with their neighbor to turn one
 * text into the other (the optimal string alignment distance).
 */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (isSame ? 0 : 1),
        isSwapped && row > 1 && column > 1 ? at(beforePrevious, column - 2) + 1 : Infinity,
      );
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, to.length);
}

function at(distances: readonly number[], column: number): number {
  return distances[column] ?? Infinity;
}
