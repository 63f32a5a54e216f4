// Numbers for people.

/** A number with three digits. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${(value / 1e6).toPrecision(3)} M`;
  if (size >= 999.5) return `${(value / 1e3).toPrecision(3)} k`;
  return size === 0 ? "0" : value.toPrecision(3);
}

/** How many times one figure is another. */
export function factor(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}
