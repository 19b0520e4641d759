/**
 * One measured number. `ratio` is `value` over the floor's, both measured in this run, in turns: for rates, 1 is as fast
 * as the floor and less is slower; for times, more is slower; `floor` says what
 * the floor is (the least that anyone could do with the same library on this machine).
 */
export type BenchLine = Readonly<{
  name: string;
  value: number;
  unit: string;
  floor?: Readonly<{ name: string; value: number }>;
  ratio?: number;
}>;

/**
 * The value below which `share` of the values lie. A low quantile of times is what a machine shared with others can
 * say: the runs that were disturbed least. @param values at least one @param share 0 to 1; 0.5 is the median
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
