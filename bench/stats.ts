// Pure arithmetic on rounds. Ratios are computed within a round, because both sides then ran at nearly the same time on a noisy machine.

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  const min = sorted[0];
  const max = sorted.at(-1);
  if (upper === undefined || lower === undefined || min === undefined || max === undefined) {
    throw new Error('no values to take a median of');
  }
  return { median: (upper + lower) / 2, min, max };
}

/** The ratio of each round, then their spread. */
export function ratios(over: readonly number[], under: readonly number[]): Spread {
  return spread(
    over.map((value, round) => {
      const other = under[round];
      if (other === undefined || other <= 0) {
        throw new Error(`round ${round} has nothing to compare with`);
      }
      return value / other;
    }),
  );
}
